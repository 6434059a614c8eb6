package httpapi

import (
	"embed"
	"io/fs"
)

//go:embed pages
var pageFiles embed.FS

// Pages are the files of the page at "/": no build step, no dependencies, and nothing that is fetched from elsewhere.
func Pages() fs.FS {
	sub, err := fs.Sub(pageFiles, "pages")
	if err != nil {
		return pageFiles // the name is a constant above, and valid
	}
	return sub
}
