#!/bin/sh
# Makes the API server trust the certificate that the Pod made at start: copies its authority, which the Pod prints as
# caBundle, into every webhook of both configurations. Run it again whenever the Pod has been replaced.
set -eu

ca=$(kubectl --namespace gatewright-system logs deployment/gatewright | sed -n 's/^caBundle: //p' | tail -n 1)
if [ -z "$ca" ]; then
  echo "trust.sh: found no caBundle in the Pod's log; is the Pod running, and without GATEWRIGHT_TLS_CERT?" >&2
  exit 1
fi
for configuration in validatingwebhookconfiguration mutatingwebhookconfiguration; do
  for webhook in $(kubectl get "$configuration" gatewright --output 'jsonpath={.webhooks[*].name}'); do
    kubectl patch "$configuration" gatewright --patch \
      "{\"webhooks\": [{\"name\": \"$webhook\", \"clientConfig\": {\"caBundle\": \"$ca\"}}]}"
  done
done
