// Package docs holds the documentation in the folder of that name, and the
// README, to what they say: commands are run, transcripts of the module API are
// replayed against a node, the example program runs, links lead somewhere, and Go that
// authors of modules are shown, also by integration/README.md, runs as a test here.
//
// Each fenced block of kind sh in docs/*.md has a comment on the line before it
// that says what a test does with it. The blocks of a page are run in their
// order by bash, in an empty folder of their own with an empty home, and in a
// network namespace that has nothing but loopback:
//
//	<!-- test -->                            it ends with exit code 0
//	<!-- test: exits 3 -->                   … 3
//	<!-- test: prints "REGEXP" -->           it ends with 0, and its output has such a line
//	<!-- test: prints soon "REGEXP" -->      the same, if it is tried for a while
//	<!-- test: NAME runs until "REGEXP" -->  it goes on in the background when its output has such a line
//	<!-- test: in the checkout -->           as the first, in the folder of the sources;
//	                                         ": " and one of the others may follow
//	<!-- test: not here: REASON -->          it is not run
//
// Without a block behind it, or with one that shows what is printed, a comment can also say
//
//	<!-- test: NAME prints "REGEXP" -->      the output of what was started as NAME has such a line, soon
//	<!-- test: NAME types "TEXT" -->         it gets this line as input
//	<!-- test: NAME ends -->                 it is interrupted, and ends with 0
//
// A block behind <!-- test: file NAME --> becomes that file in the page's folder.
//
// A block of kind transcript is bytes of the module API. Its lines are
//
//	A> 00 08 01 f5 00 00 03 e8   what module A sends,
//	A< 00 08 …                   what it must receive, and nothing before,
//	A closed                     the node has closed its connection.
//
// Two bytes written as id id are any that the node chose, and in what the same module sends
// afterwards they are these. A byte written as .. is any. Behind three or more blanks stand words. Modules A and C are
// those of one node, B is a module of its neighbour; D speaks to the DHT API of A's node, and E to its NSE API.
package docs
