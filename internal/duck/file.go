package duck

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// FileFormat is the format of a file that ReadFile reads.
type FileFormat string

// The formats. JSON is an array of objects or objects one after the other; NDJSON one object per line.
const (
	Parquet FileFormat = "parquet"
	CSV     FileFormat = "csv"
	JSON    FileFormat = "json"
	NDJSON  FileFormat = "ndjson"
)

// FormatOf guesses the format from a file's name, a compression suffix left aside; "" if it cannot.
func FormatOf(path string) FileFormat {
	name := strings.ToLower(filepath.Base(path))
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	switch filepath.Ext(name) {
	case ".parquet", ".pq":
		return Parquet
	case ".csv", ".tsv":
		return CSV
	case ".json":
		return JSON
	case ".ndjson", ".jsonl":
		return NDJSON
	}
	return ""
}

// ReadFile starts reading the rows of a file, in its order; nothing else can be reached. columns are what is
// read, as these types, in this order; without any, all columns are read with the types DuckDB finds. Names in the file are
// matched without regard to case. In JSON a missing column is null; in the other formats it is an error. The rows must be closed.
func ReadFile(ctx context.Context, path string, format FileFormat, columns row.Schema) (*Rows, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	source, err := fileSource(abs, format, columns)
	if err != nil {
		return nil, err
	}
	list := "*"
	if len(columns) > 0 {
		items := make([]string, len(columns))
		for i, c := range columns {
			items[i] = "CAST(" + quoteIdent(c.Name) + " AS " + sqlType(c.Type) + ") AS " + quoteIdent(c.Name)
		}
		list = strings.Join(items, ", ")
	}
	if info, err := os.Stat(abs); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, &Error{Kind: KindIO, Message: err.Error(), cause: err})
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: %w", path, errorf(KindIO, "not a regular file"))
	}
	db, c, err := openDatabase(access{threads: 2, files: []string{abs, literalPattern(abs)}})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	rc := &readerConn{conn: c}
	rows, err := startRows(ctx, rc, planning{}, "SELECT "+list+" FROM "+source, nil, func() {
		rc.close()
		db.close()
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, withoutPosition(err))
	}
	return rows, nil
}

// literalPattern is the pattern that matches the path only: brackets take their characters for what they are.
func literalPattern(path string) string {
	return strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]").Replace(path)
}

// fileSource is the call of a table function that reads the file.
func fileSource(path string, format FileFormat, columns row.Schema) (string, error) {
	if strings.ContainsRune(path, 0) {
		return "", errorf(KindIO, "a path cannot hold a NUL character")
	}
	file := quoteString(literalPattern(path))
	types := make([]string, len(columns))
	for i, c := range columns {
		types[i] = quoteString(c.Name) + ": " + quoteString(sqlType(c.Type))
	}
	declared := ""
	switch format {
	case Parquet:
		return "read_parquet(" + file + ")", nil
	case CSV:
		if len(types) > 0 {
			declared = ", types = {" + strings.Join(types, ", ") + "}"
		}
		return "read_csv(" + file + declared + ")", nil
	case JSON, NDJSON:
		if len(types) > 0 {
			declared = ", columns = {" + strings.Join(types, ", ") + "}"
		}
		kind := "auto"
		if format == NDJSON {
			kind = "newline_delimited"
		}
		return "read_json(" + file + ", format = '" + kind + "'" + declared + ")", nil
	}
	return "", errorf(KindInvalidInput, fmt.Sprintf("%q is not a format that can be read: parquet, csv, json or ndjson", format))
}
