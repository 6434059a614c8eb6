package httpapi

import (
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// The page is served with all that it needs, and names nothing that is elsewhere.
func TestPages(t *testing.T) {
	h := NewServer(Options{Logger: slog.New(slog.DiscardHandler), Pages: Pages()}).handler()
	types := map[string]string{".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	external := regexp.MustCompile(`(https?:)?//[a-z0-9.-]+\.[a-z]{2,}`)
	uses := regexp.MustCompile(`(?:src|href)="([^"/#:][^":]*)"|from "\./([^"]+)"`)
	err := fs.WalkDir(Pages(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		w := get("/" + strings.TrimSuffix(path, "index.html"))
		text := w.Body.String()
		if want := types[path[strings.LastIndexByte(path, '.'):]]; w.Code != http.StatusOK || want == "" || !strings.HasPrefix(w.Header().Get("Content-Type"), want) {
			t.Errorf("%s: %d, %s", path, w.Code, w.Header().Get("Content-Type"))
		}
		if found := external.FindString(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "")); found != "" {
			t.Errorf("%s names %s", path, found)
		}
		for _, m := range uses.FindAllStringSubmatch(text, -1) {
			if w := get("/" + m[1] + m[2]); w.Code != http.StatusOK {
				t.Errorf("%s uses %s: %d", path, m[1]+m[2], w.Code)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if w := get("/nosuch"); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), `"error"`) {
		t.Errorf("a page that is not there: %d %s", w.Code, w.Body.String())
	}
}
