// Package scenario reads descriptions of simulated networks, runs them, and
// compares what came out with what came out before.
//
// A scenario is plain text, one directive to a line, "#" begins a comment:
//
//	title  200 nodes, then half of them crash
//	nodes  200
//	core   degree 6
//	vary   crash 30% 50%       # runs once with each; $crash stands for it
//
//	subscribe all 7
//	start all over=2s
//	run 20s
//	publish 50 every=20ms
//	run 10s
//	measure                    # figures are about what comes from here on
//	crash $crash
//	publish 20 from=up
//	settle 60s
//	expect settled <= 20s
//
// Settings come first, then what happens, in its order: only "run" and "settle"
// let time pass. [Format] lists all directives; library has examples.
//
// One seed and one scenario give one result, bit by bit. [Compare] knows of each
// figure which way is worse and how much of a difference is chance: a change to
// the core gives every run another history.
package scenario
