// Package config turns an INI file into a typed [Config] and back.
//
// [Load] and [Parse] read, [Default] is the configuration without a file, and
// [Config.WriteTo] writes the configuration in force as a commented file that
// loads back to the same Config. One table (settings.go) holds every key with
// its limits; parser, renderer and README.md all follow it.
//
// # Sections
//
// Ours are the part before any section, [gossip] and [hearsay]; every other
// section belongs to another module and is left alone, with a warning where the only
// hostkey of the file is in one. Within ours everything is strict: an unknown key, a key
// given twice, a value of the wrong type or out of range is an error that names file,
// line and key. All errors of a file are reported at once ([errors.Join] of [*Error]).
//
// # Syntax
//
// A line is blank, a comment (# or ; first), a [section] header or key = value
// (key: value too). Keys and section names ignore case, [DEFAULT] is the part
// before any section, and a section may come in several pieces. Spaces, a byte
// order mark and Windows line ends do not matter.
//
// A value may stand in "double" or 'single' quotes, inside of which a doubled
// quote is one quote. Outside of quotes a # or ; starts a comment. Where a path
// has one without a space before it, that is an error instead of a guess.
//
// Lines are split by gopkg.in/ini.v1, one at a time so that each is known by its
// number. What would let a line mean something else than what it says is
// switched off: continuation by a backslash, values over several lines
// (backticks, triple quotes, indentation), %(key)s, environment variables, ~
// and includes.
package config
