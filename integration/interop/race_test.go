//go:build race

package main

// stride is that of so many bytes one is changed: the race detector makes each
// change ten times as slow, and finds nothing new in the next one.
const stride = 8
