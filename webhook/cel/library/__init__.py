"""The function libraries that Kubernetes declares in CEL, one module each; how they are declared and resolved."""
