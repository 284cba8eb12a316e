// An OCI registry on loopback: go-containerregistry's own, in memory. It writes its address to stdout.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	if len(os.Args) == 3 { // certificate and key, PEM
		log.Fatal(http.ServeTLS(listener, handler, os.Args[1], os.Args[2]))
	}
	log.Fatal(http.Serve(listener, handler))
}
