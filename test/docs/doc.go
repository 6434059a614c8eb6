// Package docs runs the examples of the documents: what a reader copies works, and says what the document says.
//
// Each section of docs/sql.md and README.md that begins with "## " is a session of psql with a fresh node, in the order in which it is written. Its blocks of
// language sql are examples, all of which are run; what a statement answers stands behind it, in lines that begin with "-->":
//
//	SELECT zone, count(*) AS sensors FROM sensors GROUP BY zone ORDER BY zone;
//	--> zone  | sensors
//	--> north | 2
//	--> south | 1
//
//	SELECT prise FROM sensors;
//	--> error: Referenced column "prise" not found in FROM clause!
//
// A statement that returns rows must have such lines, one that returns none has them only for its tag ("--> UPDATE 2"). The sign … stands for any text in a line,
// and alone in a line for any number of lines. Without ORDER BY the order of the lines does not matter. Of a SUBSCRIBE, which never ends, as many
// rows are read as are shown. Rows of COPY … FROM STDIN follow it up to a line with \. alone.
//
// Other blocks are syntax, text, sh, json and http; a block of any other language, or of none, fails the test, so that no example is left out by its fence.
//
//	go test ./test/docs -docs.section Joins -docs.write
//
// runs the sections with that heading only, and writes the answers down where they differ; read them before you keep them.
//
// The tutorial is run by the tests of cmd/tidemill, whose demo it is about.
package docs
