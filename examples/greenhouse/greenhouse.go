// Package greenhouse holds the SQL of the greenhouse example, for programs that run it.
package greenhouse

import _ "embed" // the file below

// Project is project.sql. Its statements can be run again where they have run before.
//
//go:embed project.sql
var Project string
