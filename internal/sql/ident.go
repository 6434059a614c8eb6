package sql

import "strings"

// Normalize folds an identifier for comparison: two identifiers name the same thing if their folded
// forms are equal. As in DuckDB only ASCII letters are folded, and quoting makes no difference.
func Normalize(ident string) string {
	for i := range len(ident) {
		if lower(ident[i]) != ident[i] {
			b := []byte(ident)
			for j := i; j < len(b); j++ {
				b[j] = lower(b[j])
			}
			return string(b)
		}
	}
	return ident
}

// Quote writes an identifier so that it reads back as the same name, here and in DuckDB: as it is if
// that is possible, else in double quotes.
func Quote(ident string) string {
	plain := ident != "" && !digit(ident[0])
	for i := 0; plain && i < len(ident); i++ {
		c := ident[i]
		plain = c == '_' || digit(c) || (lower(c) >= 'a' && lower(c) <= 'z')
	}
	if plain && !mustQuote(ident) {
		return ident
	}
	return `"` + strings.ReplaceAll(ident, `"`, `""`) + `"`
}

// QuoteLiteral writes a text as a string literal.
func QuoteLiteral(text string) string {
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// fold reports whether a word is a keyword, whatever its case. Only ASCII is folded: to Unicode the
// Kelvin sign is a k, to SQL it is not.
func fold(word, keyword string) bool {
	if len(word) != len(keyword) {
		return false
	}
	for i := range len(word) {
		if lower(word[i]) != lower(keyword[i]) {
			return false
		}
	}
	return true
}

// longestKeyword bounds the words that are looked up, so that a long identifier is not folded in vain.
const longestKeyword = 24

// reserved reports whether DuckDB takes a bare word as a keyword where a name is expected. The word at
// is missing on purpose: DuckDB refuses it as a name, ForDuckDB quotes it.
func reserved(word string) bool {
	if len(word) > longestKeyword {
		return false
	}
	switch Normalize(word) {
	case "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast",
		"check", "collate", "column", "constraint", "create", "default", "deferrable", "desc", "describe",
		"distinct", "do", "else", "end", "except", "false", "fetch", "for", "foreign", "from", "group", "having",
		"in", "initially", "intersect", "into", "lambda", "lateral", "leading", "limit", "not", "null", "offset",
		"on", "only", "or", "order", "pivot", "pivot_longer", "pivot_wider", "placing", "primary", "qualify",
		"references", "returning", "select", "show", "some", "summarize", "symmetric", "table", "then", "to",
		"trailing", "true", "union", "unique", "unpivot", "using", "variadic", "when", "where", "window", "with",
		// Keywords that DuckDB takes as the name of a function or type only.
		"anti", "asof", "authorization", "binary", "by", "collation", "concurrently", "cross", "freeze", "full",
		"glob", "ilike", "inner", "is", "isnull", "join", "left", "like", "natural", "notnull", "outer",
		"overlaps", "positional", "right", "semi", "similar", "tablesample", "unpack", "verbose":
		return true
	}
	return false
}

// mustQuote reports whether a name is also a keyword with a meaning inside expressions.
func mustQuote(word string) bool {
	if len(word) > longestKeyword {
		return false
	}
	switch Normalize(word) {
	case "at", "columns", "generated", "map", "struct", "try_cast", "between", "bigint", "bit", "boolean", "char",
		"character", "coalesce", "dec", "decimal", "exists", "extract", "float", "grouping", "grouping_id",
		"inout", "int", "integer", "interval", "national", "nchar", "none", "nullif", "numeric", "out",
		"overlay", "position", "precision", "real", "row", "setof", "smallint", "substring", "time", "timestamp",
		"treat", "trim", "values", "varchar":
		return true
	}
	return reserved(word) || strings.HasPrefix(Normalize(word), "xml")
}
