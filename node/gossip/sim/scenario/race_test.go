//go:build race

package scenario

const short = true
