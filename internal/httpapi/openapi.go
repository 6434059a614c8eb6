package httpapi

import (
	"net/http"

	_ "embed" // the document below
)

//go:embed openapi.json
var openapiDocument []byte

// openapi serves the contract.
func (s *Server) openapi(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openapiDocument)
}
