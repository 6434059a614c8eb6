// Package node builds the parts of a node, starts them in order and stops them in reverse. It is the only package that
// sees everything; commands and the embeddable API are thin uses of it.
package node
