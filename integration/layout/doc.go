// Package layout holds the rules about who may import whom, and the test that
// keeps them. The rules are what lets a part be understood, tested and replaced
// without the others; each is stated with its reason.
package layout
