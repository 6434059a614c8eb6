package docs

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidemill/tidemill/internal/node"
	"github.com/tidemill/tidemill/internal/sql"
)

var (
	writeFlag   = flag.Bool("docs.write", false, "write the answers into the documents where they differ")
	sectionFlag = flag.String("docs.section", "", "only sections whose heading contains this")
)

// TestReference runs every example of the SQL reference.
func TestReference(t *testing.T) { runDocument(t, "../../docs/sql.md") }

// TestReadme runs those of the README.
func TestReadme(t *testing.T) { runDocument(t, "../../README.md") }

func runDocument(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sections, err := sectionsOf(string(text))
	if err != nil {
		t.Fatal(err)
	}
	blocks, ran := 0, 0
	for i := range sections {
		s := &sections[i]
		blocks += len(s.blocks)
		if len(s.blocks) == 0 || !strings.Contains(s.title, *sectionFlag) {
			continue
		}
		t.Run(s.title, func(t *testing.T) { ran += runSection(t, s) })
	}
	if *writeFlag {
		if err := os.WriteFile(path, []byte(joined(string(text), sections)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if *sectionFlag != "" {
		return
	}
	if n := strings.Count("\n"+string(text), "\n```sql"); n != blocks {
		t.Errorf("the document has %d blocks of SQL, %d were found", n, blocks)
	}
	ends := 0 // counted without the code that divides the blocks
	for _, b := range regexp.MustCompile("(?s)\n```sql\n(.*?)\n```").FindAllStringSubmatch(string(text), -1) {
		ends += len(regexp.MustCompile(`(?m);( +--.*)?$`).FindAllString(regexp.MustCompile(`(?m)^--.*$`).ReplaceAllString(b[1], ""), -1))
	}
	if ran < ends || ran == 0 {
		t.Errorf("%d statements were run, %d lines end one", ran, ends)
	}
	t.Logf("%d statements in %d blocks", ran, blocks)
}

// section is what stands below a heading.
type section struct {
	title  string
	blocks []block
}

// block is a block of SQL.
type block struct {
	line     int // of its first line, from 1
	lines    int
	examples []example
}

// example is a statement and the answer that the document gives.
type example struct {
	line   int
	before []string // comments and empty lines
	code   []string // the lines of the statement
	data   []string // the lines of COPY
	copies bool
	want   []string
}

var languages = []string{"sql", "syntax", "text", "sh", "json", "http"}

func sectionsOf(text string) ([]section, error) {
	var out []section
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if strings.HasPrefix(line, "## ") {
			out = append(out, section{title: line[3:]})
			continue
		}
		language, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		if !fence {
			continue
		}
		if !slices.Contains(languages, language) || line != "```"+language {
			return nil, fmt.Errorf("line %d: a block opened by %q, want one of %v, not indented", i+1, line, languages)
		}
		end := slices.Index(lines[i+1:], "```")
		if end < 0 {
			return nil, fmt.Errorf("line %d: the block does not end", i+1)
		}
		if language == "sql" {
			b, err := blockOf(lines[i+1:i+1+end], i+2)
			if err != nil {
				return nil, err
			}
			if len(out) == 0 {
				return nil, fmt.Errorf("line %d: an example in front of the first section", i+1)
			}
			s := &out[len(out)-1]
			s.blocks = append(s.blocks, b)
		}
		i += 1 + end
	}
	return out, nil
}

// ends matches a line that ends a statement.
var ends = regexp.MustCompile(`;\s*(--.*)?$`)

func blockOf(lines []string, at int) (block, error) {
	b := block{line: at, lines: len(lines)}
	var e example
	open := false
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		switch {
		case strings.HasPrefix(line, "-->"):
			if open || len(b.examples) == 0 || len(e.before) > 0 {
				return b, fmt.Errorf("line %d: an answer that stands behind no statement", at+i)
			}
			last := &b.examples[len(b.examples)-1]
			last.want = append(last.want, strings.TrimRight(strings.TrimPrefix(strings.TrimPrefix(line, "-->"), " "), " "))
			continue
		case !open && (strings.TrimSpace(line) == "" || strings.HasPrefix(line, "--")):
			e.before = append(e.before, line)
			continue
		case !open:
			e.line = at + i
		}
		open = true
		e.code = append(e.code, line)
		if !ends.MatchString(line) {
			continue
		}
		upper := strings.ToUpper(strings.Join(e.code, " "))
		if strings.HasPrefix(upper, "COPY") && strings.Contains(upper, "FROM STDIN") {
			end := slices.Index(lines[i:], `\.`)
			if end < 0 {
				return b, fmt.Errorf(`line %d: the rows of COPY do not end with \.`, at+i)
			}
			e.copies, e.data = true, lines[i+1:i+end]
			i += end
		}
		b.examples = append(b.examples, e)
		e, open = example{}, false
	}
	switch {
	case open:
		return b, fmt.Errorf("line %d: the statement does not end with a semicolon", e.line)
	case len(b.examples) == 0:
		return b, fmt.Errorf("line %d: a block without a statement", at)
	case len(e.before) > 0:
		return b, fmt.Errorf("line %d: the block ends with a comment", at)
	}
	return b, nil
}

// text writes the block anew.
func (b *block) text() []string {
	var out []string
	for _, e := range b.examples {
		out = append(append(out, e.before...), e.code...)
		if e.copies {
			out = append(append(out, e.data...), `\.`)
		}
		for _, w := range e.want {
			out = append(out, strings.TrimRight("--> "+w, " "))
		}
	}
	return out
}

// joined is the document with the blocks as they are now.
func joined(text string, sections []section) string {
	lines := strings.Split(text, "\n")
	for i := len(sections) - 1; i >= 0; i-- {
		for j := len(sections[i].blocks) - 1; j >= 0; j-- {
			b := &sections[i].blocks[j]
			lines = slices.Replace(lines, b.line-1, b.line-1+b.lines, b.text()...)
		}
	}
	return strings.Join(lines, "\n")
}

// runSection runs the examples of a section on a node of their own and returns how many statements that were.
func runSection(t *testing.T, s *section) int {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n, err := node.Start(ctx, node.Config{PG: "127.0.0.1:0", Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	url := "postgres://reader@" + n.PGAddress() + "/main?sslmode=disable"
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	ran := 0
	for i := range s.blocks {
		for j := range s.blocks[i].examples {
			e := &s.blocks[i].examples[j]
			frags, err := sql.Split(strings.Join(e.code, "\n"))
			if err != nil {
				t.Fatalf("line %d: %v", e.line, err)
			}
			for k, f := range frags {
				ran++
				if k < len(frags)-1 { // several statements in a line: the answer is that of the last
					if a := answerOf(ctx, conn, f.Text); a.err != "" {
						t.Errorf("line %d: %s", e.line, a.err)
					}
					continue
				}
				e.run(ctx, t, conn, url, f.Text)
			}
		}
	}
	return ran
}

// run runs the statement and compares the answer with the one in the document. What the node writes beside a statement, as into tidemill.rejects, is waited for.
func (e *example) run(ctx context.Context, t *testing.T, conn *pgconn.PgConn, url, stmt string) {
	t.Helper()
	var a answer
	for range 50 {
		switch {
		case e.copies:
			a = copied(ctx, conn, stmt, e.data)
		case subscribe.MatchString(stmt) && !strings.HasPrefix(strings.Join(e.want, ""), "error"):
			a = followed(ctx, url, stmt, len(e.want)-1)
		case copyOut.MatchString(stmt):
			a = copiedOut(ctx, conn, stmt)
		default:
			a = answerOf(ctx, conn, stmt)
		}
		if e.matches(a) || !strings.Contains(stmt, "tidemill.") || *writeFlag && len(e.want) == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if e.matches(a) {
		return
	}
	if *writeFlag {
		e.want = a.lines()
		return
	}
	t.Errorf("line %d: %s\nanswers\n  %s\nthe document says\n  %s", e.line, stmt, strings.Join(a.lines(), "\n  "), strings.Join(e.want, "\n  "))
}

// answer is what a statement answered: an error, or a tag and, if it returns rows, those with a header.
type answer struct {
	err     string
	tag     string
	returns bool
	header  []string
	rows    [][]string
	ordered bool
}

func answerOf(ctx context.Context, conn *pgconn.PgConn, stmt string) answer {
	a := answer{ordered: !unordered.MatchString(stmt) || inOrderBy.MatchString(stmt)}
	results := conn.Exec(ctx, stmt)
	for results.NextResult() {
		r := results.ResultReader()
		for _, f := range r.FieldDescriptions() {
			a.header = append(a.header, f.Name)
			a.returns = true
		}
		for r.NextRow() {
			a.rows = append(a.rows, cellsOf(r.Values()))
		}
		tag, err := r.Close()
		if err != nil {
			return failed(err)
		}
		a.tag = tag.String()
	}
	if err := results.Close(); err != nil {
		return failed(err)
	}
	return a
}

var (
	// unordered matches statements whose rows may come in any order, unless inOrderBy matches too.
	unordered = regexp.MustCompile(`(?i)^(SELECT|WITH|FROM|VALUES|FETCH|INSERT|UPDATE|DELETE|MERGE)\b`)
	inOrderBy = regexp.MustCompile(`(?is)\bORDER\s+BY\b[^()]*$`)
	subscribe = regexp.MustCompile(`(?i)^SUBSCRIBE\b`)
	copyOut   = regexp.MustCompile(`(?is)^COPY\b.*\bTO\s+STDOUT\b`)
)

func cellsOf(row [][]byte) []string {
	cells := make([]string, len(row))
	for i, c := range row {
		cells[i] = string(c)
		if c == nil {
			cells[i] = "NULL"
		}
	}
	return cells
}

func failed(err error) answer {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return answer{err: "error: " + pg.Message, tag: pg.Hint}
	}
	return answer{err: "error: " + err.Error()}
}

func copied(ctx context.Context, conn *pgconn.PgConn, stmt string, data []string) answer {
	tag, err := conn.CopyFrom(ctx, strings.NewReader(strings.Join(data, "\n")+"\n"), stmt)
	if err != nil {
		return failed(err)
	}
	return answer{tag: tag.String()}
}

// copiedOut is what COPY … TO STDOUT writes.
func copiedOut(ctx context.Context, conn *pgconn.PgConn, stmt string) answer {
	var b strings.Builder
	if _, err := conn.CopyTo(ctx, &b, stmt); err != nil {
		return failed(err)
	}
	a := answer{returns: true, ordered: true}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	a.header = lines[:1]
	for _, l := range lines[1:] {
		a.rows = append(a.rows, []string{l})
	}
	return a
}

// followed reads the first rows of a subscription, on a connection of its own.
func followed(ctx context.Context, url, stmt string, rows int) answer {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return failed(err)
	}
	defer conn.Close(ctx)
	results := conn.Exec(ctx, stmt)
	a := answer{returns: true}
	if !results.NextResult() {
		return failed(results.Close())
	}
	r := results.ResultReader()
	for _, f := range r.FieldDescriptions() {
		a.header = append(a.header, f.Name)
	}
	for len(a.rows) < rows && r.NextRow() {
		a.rows = append(a.rows, cellsOf(r.Values()))
	}
	return a
}

// lines are the answer as the document writes it.
func (a *answer) lines() []string {
	switch {
	case a.err != "":
		return []string{strings.ReplaceAll(a.err, "\n", " ")}
	case !a.returns:
		return nil
	}
	widths := make([]int, len(a.header))
	table := append([][]string{a.header}, a.rows...)
	for _, row := range table {
		for i, c := range row {
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	var out []string
	for _, row := range table {
		var b strings.Builder
		for i, c := range row {
			if i > 0 {
				b.WriteString(" | ")
			}
			b.WriteString(c)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-len([]rune(c))))
			}
		}
		out = append(out, strings.TrimRight(strings.ReplaceAll(b.String(), "\n", " "), " "))
	}
	if !a.ordered {
		slices.Sort(out[1:])
	}
	return out
}

var spaces = regexp.MustCompile(`\s+`)

// pattern is a line of the document as it is compared.
func pattern(want string) *regexp.Regexp {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(spaces.ReplaceAllString(strings.TrimSpace(want), " ")), "…", ".*") + "$")
}

// matches reports whether the answer is the one in the document.
func (e *example) matches(a answer) bool {
	if a.err == "" && !a.returns {
		return len(e.want) == 0 || len(e.want) == 1 && e.want[0] == a.tag
	}
	got := a.lines()
	for i := range got {
		got[i] = spaces.ReplaceAllString(strings.TrimSpace(got[i]), " ")
	}
	if a.err != "" || a.ordered {
		return inOrder(got, e.want)
	}
	if len(e.want) == 0 || !pattern(e.want[0]).MatchString(got[0]) {
		return false
	}
	rest, open := got[1:], false
	for _, w := range e.want[1:] {
		if w == "…" {
			open = true
			continue
		}
		at := slices.IndexFunc(rest, pattern(w).MatchString)
		if at < 0 {
			return false
		}
		rest = slices.Delete(slices.Clone(rest), at, at+1)
	}
	return open || len(rest) == 0
}

// inOrder matches lines with patterns, of which … stands for any number of lines.
func inOrder(got, want []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if want[0] == "…" {
		for i := range len(got) + 1 {
			if inOrder(got[i:], want[1:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && pattern(want[0]).MatchString(got[0]) && inOrder(got[1:], want[1:])
}
