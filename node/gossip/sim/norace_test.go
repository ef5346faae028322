//go:build !race

package sim

// scale says by how much tests are made smaller.
const scale = 1
