package slt

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/tidemill/tidemill/test/slt/sqlgen"
)

var genNodeFor = flag.Duration("slt.gen.nodefor", 15*time.Second, "how long generated queries are run on whole nodes")

// TestGeneratedNode runs generated queries on whole nodes, with everything that TestMaintainedEqualsBatch does with a file: views made at any
// time, views on views, subscriptions, updates and deletes as SQL, and a restart. They are those that TestGeneratedDataflow would find equal.
func TestGeneratedNode(t *testing.T) {
	end := time.Now().Add(*genNodeFor)
	queries := 0
	for seed := *genSeed; queries < *genQueries && time.Now().Before(end) && !t.Failed(); seed++ {
		f := generatedFile(t, seed)
		queries += len(f.queries)
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runFile(t, f, seed) })
	}
	t.Logf("%d queries", queries)
}

// generatedFile is a schema with the queries over it that can be maintained, of the first few.
func generatedFile(t *testing.T, seed uint64) *testFile {
	t.Helper()
	l := newLab(t, seed)
	defer l.close()
	f := &testFile{name: fmt.Sprintf("generated %d", seed), mayErr: true, chunkRows: 8}
	for i := range l.relations {
		r, err := readRelation(l.relations[i].Create(), nil)
		if err != nil {
			t.Fatal(err)
		}
		f.relations = append(f.relations, r)
	}
	for l.turn = range viewsPerSchema {
		l.view(func(q *sqlgen.Node) verdict { v, _ := l.try(q.String()); return v })
	}
	f.views = l.views
	for l.turn = range queriesPerSchema {
		q := l.gen.Query().String()
		if v, _ := l.try(q); v == same && len(f.queries) < queriesPerSchema/2 {
			f.queries = append(f.queries, q)
		}
	}
	return f
}
