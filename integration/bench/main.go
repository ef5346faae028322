package main

import (
	"fmt"
	"os"
)

const usage = `usage: bench run [-quick] [-only GROUP,…] [-repeat N] [-out FILE] [-n]
       bench cell [flags]       one cell, in this process; bench cell -h
       bench report [-in FILE]  BENCHMARKS.md and its plots from results`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	var err error
	switch args := os.Args[2:]; os.Args[1] {
	case "run":
		err = runCommand(args)
	case "cell":
		err = cellCommand(args, os.Stdout)
	case "child":
		err = childCommand()
	case "relay": // of a cell that measures one
		err = relayCommand(os.Stdin, os.Stdout)
	case "report":
		err = reportCommand(args)
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
