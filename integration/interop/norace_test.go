//go:build !race

package main

// stride is that of so many bytes one is changed.
const stride = 1
