package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
)

// completer completes keywords, names of relations and of columns, and the shell's commands. It is safe for concurrent use.
type completer struct {
	client *client
	mu     sync.Mutex
	names  []string
}

// refreshTimeout bounds how long the names may take to arrive.
const refreshTimeout = 2 * time.Second

// refresh asks the node for the names there are. Without an answer it keeps those it has.
func (c *completer) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	own := client{base: c.client.base, http: c.client.http} // its after is not the shell's
	a, err := own.sql(ctx, `SELECT name, columns FROM tidemill.streams UNION ALL SELECT name, columns FROM tidemill.tables UNION ALL SELECT name, columns FROM tidemill.views`)
	if err != nil {
		return
	}
	var names []string
	for _, r := range a.Rows {
		var columns []struct{ Name string }
		if json.Unmarshal(r[1], &columns) != nil {
			_ = json.Unmarshal([]byte(unquoted(r[1])), &columns) // without columns the relation's name is still of use
		}
		names = append(names, unquoted(r[0]))
		for _, col := range columns {
			names = append(names, col.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	c.mu.Lock()
	c.names = names
	c.mu.Unlock()
}

// unquoted is the text of a JSON string, or the JSON itself.
func unquoted(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

// keywords are the words that statements are made of.
func keywords() []string {
	return strings.Fields(`SELECT FROM WHERE GROUP BY ALL ORDER LIMIT HAVING JOIN LEFT ON AS AND OR NOT NULL IS IN BETWEEN LIKE CASE WHEN THEN ELSE END DISTINCT UNION
		WITH VALUES INSERT INTO UPDATE SET DELETE CREATE STREAM TABLE MATERIALIZED VIEW REPLACE EXISTS DROP ALTER COMMENT PRIMARY KEY DEFAULT WATERMARK FOR INTERVAL
		SUBSCRIBE TO SHOW STREAMS TABLES VIEWS DESCRIBE EXPLAIN VERIFY BEGIN COMMIT ROLLBACK VARCHAR DOUBLE BIGINT INTEGER BOOLEAN TIMESTAMP TIMESTAMPTZ DATE DECIMAL JSON
		count sum avg min max arg_max arg_min time_bucket round now tidemill.streams tidemill.tables tidemill.views tidemill.view_status tidemill.lineage tidemill.rejects`)
}

// Do implements readline.AutoCompleter.
func (c *completer) Do(line []rune, pos int) ([][]rune, int) {
	begin := pos
	for begin > 0 && isWordRune(line[begin-1]) {
		begin--
	}
	word := string(line[begin:pos])
	var out [][]rune
	for _, w := range c.candidates(string(line[:begin]), word) {
		out = append(out, append([]rune(w)[pos-begin:], ' '))
	}
	return out, pos - begin
}

func isWordRune(r rune) bool {
	return r == '_' || r == '.' || r == '\\' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// candidates are the words that begin like word, in the case in which it is written.
func (c *completer) candidates(before, word string) []string {
	if strings.HasPrefix(word, `\`) {
		return withPrefix([]string{`\d`, `\ds`, `\dt`, `\dv`, `\q`, `\watch`, `\x`, `\?`}, word)
	}
	c.mu.Lock()
	names := slices.Clone(c.names)
	c.mu.Unlock()
	// Behind an alias and a dot only what follows the dot is completed.
	if at := strings.LastIndexByte(word, '.'); at >= 0 && !strings.HasPrefix(strings.ToLower(word), "tidemill.") {
		var out []string
		for _, n := range withPrefix(names, word[at+1:]) {
			out = append(out, word[:at+1]+n)
		}
		return out
	}
	out := withPrefix(names, word)
	if strings.HasPrefix(strings.TrimSpace(before), `\`) {
		return out
	}
	for _, k := range withPrefix(keywords(), word) {
		if word != "" && word == strings.ToLower(word) {
			k = strings.ToLower(k)
		}
		if !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out
}

func withPrefix(words []string, prefix string) []string {
	var out []string
	for _, w := range words {
		if len(w) >= len(prefix) && strings.EqualFold(w[:len(prefix)], prefix) {
			out = append(out, w)
		}
	}
	return out
}
