package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	ma "github.com/multiformats/go-multiaddr"
)

// MaxFileSize is the size of the largest file that is read, in bytes.
const MaxFileSize = 1 << 20

// Load reads the file at path, which must be a regular file (or a link to one).
// Everything else is as for Parse.
func Load(path string) (*Config, []Warning, error) {
	data, err := read(path)
	if err != nil {
		return nil, nil, &Error{File: path, Err: err}
	}
	return Parse(path, data)
}

// read refuses what is not a regular file before opening it: opening a FIFO
// would wait for a writer for ever.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, cause(err)
	case info.IsDir():
		return nil, errors.New("a folder, not a configuration file")
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file: write the configuration to one")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err != nil {
		return nil, cause(err)
	}
	return data, nil
}

// cause takes the path off err, which an Error names itself.
func cause(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("cannot be read: %w", p.Err)
	}
	return err
}

// Parse reads the text of a file. The name stands in errors and warnings, and
// relative paths in the file start at the name's folder.
//
// The Config is nil if there is an error, which joins an [*Error] for each thing
// wrong; beyond 100 a last one says that there are more. What is not in the file
// is as in [Default].
func Parse(name string, data []byte) (*Config, []Warning, error) {
	p := parser{
		report: report{file: name},
		config: Default(),
		lines:  map[string]int{},
		fields: map[string]given{},
	}
	if p.sane(data) {
		for st := range scan(data) {
			if p.full() {
				break
			}
			p.statement(st)
		}
		p.obsolete()
		p.strayed()
		p.cross()
	}
	if err := p.err(); err != nil {
		return nil, p.warnings, err
	}
	return p.config, p.warnings, nil
}

type parser struct {
	report
	config *Config
	lines  map[string]int   // line of each section.key
	fields map[string]given // by field of Config
	unused []given          // obsolete keys
	stray  statement        // a hostkey in another program's section, if there is one
}

// given is where the file sets a field.
type given struct {
	line int
	key  string
	text string // the value as WriteTo would write it
}

// sane refuses what cannot be INI text at all.
func (p *parser) sane(data []byte) bool {
	if len(data) > MaxFileSize {
		p.errorf(0, "", "too large for a configuration file (more than %d bytes)", MaxFileSize)
		return false
	}
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		p.errorf(1, "", "UTF-16 text: save the file as UTF-8")
		return false
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		p.errorf(1+bytes.Count(data[:i], []byte("\n")), "", "holds a NUL byte, so this is no text file (or UTF-16: save it as UTF-8)")
		return false
	}
	return true
}

func (p *parser) statement(st statement) {
	if st.err != nil && !isShared(st.section) && st.section != "onion" {
		p.add(st.line, "", fmt.Errorf("%s: %w", quote(st.text), st.err))
		return
	}
	if isShared(st.section) {
		p.sharedStatement(st)
		return
	}
	if st.section == "onion" {
		p.onionStatement(st)
		return
	}
	if !isOurs(st.section) {
		p.foreignStatement(st)
		return
	}
	key, raw, err := split(st.text)
	if err != nil {
		p.add(st.line, "", fmt.Errorf("%s: %w", quote(st.text), err))
		return
	}
	shown := clip(key, 80)
	if strings.ContainsFunc(key, notPlain) {
		shown = quote(key)
	}
	name := st.section + "." + key
	if first, twice := p.lines[name]; twice {
		p.errorf(st.line, shown, "already set in line %d: keep one of the two", first)
		return
	}
	p.lines[name] = st.line
	s, known := find(st.section, key)
	switch {
	case known:
		p.set(s, st.line, raw)
	case obsolete[name]:
		p.unused = append(p.unused, given{line: st.line, key: key})
	default:
		p.add(st.line, shown, unknownKey(st.section, key))
	}
}

// sharedStatement takes what is meant for us from a section that other programs
// read as well. What looks like a slip of the pen is pointed out.
func (p *parser) sharedStatement(st statement) {
	key, raw, err := split(st.text)
	if st.err != nil || err != nil || slices.Contains(elsewhere, key) {
		return
	}
	s, known := find(st.section, key)
	if !known {
		if strings.HasPrefix(key, "api") {
			p.warnf(st.line, "%s means nothing to this node in [%s]; api_address does", quote(clip(key, 80)), st.section)
		}
		return
	}
	name := st.section + "." + key
	if first, twice := p.lines[name]; twice {
		p.errorf(st.line, key, "already set in line %d: keep one of the two", first)
		return
	}
	p.lines[name] = st.line
	p.set(s, st.line, raw)
}

// onionStatement looks where the Onion module meets those of others: the section
// is another program's, so what cannot be read there is no mistake.
func (p *parser) onionStatement(st statement) {
	key, raw, err := split(st.text)
	if st.err != nil || err != nil || !slices.Contains(elsewhere, key) || p.lines["rps.onion_address"] != 0 {
		return
	}
	if v, err := unquote(raw); err == nil {
		if e, err := parseEndpoint(v.text); err == nil && e.Port != 0 {
			p.config.Onion = e
		}
	}
}

func notPlain(r rune) bool { return r <= ' ' || r > '~' }

// set gives a setting its value.
func (p *parser) set(s setting, line int, raw string) {
	v, err := unquote(raw)
	if err == nil && s.path {
		v.text, err = p.resolve(v)
	}
	if err == nil {
		err = s.parse(p.config, v.text)
	}
	if err != nil {
		for _, err := range apart(err) {
			p.errorf(line, s.key, "%w (allowed: %s)", err, s.allowed)
		}
		return
	}
	if s.unset != nil {
		*s.unset(p.config) = false
	}
	now := given{line: line, key: s.key, text: s.canonical().format(p.config)}
	if before, twice := p.fields[s.field]; twice && before.text != now.text {
		p.errorf(line, s.key, "contradicts %s in line %d: keep one of the two", before.key, before.line)
		return
	}
	p.fields[s.field] = now
}

// apart undoes errors.Join.
func apart(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// resolve makes a path absolute, starting at the file's folder. What a shell
// would expand is refused: a folder called "~" is nobody's wish.
func (p *parser) resolve(v literal) (string, error) {
	switch {
	case v.glued:
		return "", errors.New("is a # or ; part of the path? If it is, put the path in quotes; if not, a space before the comment")
	case v.text == "":
		return "", nil
	case v.text[0] == '~' || v.text[0] == '$':
		return "", fmt.Errorf("%s: %q is not expanded; write the whole path, or begin with ./", quote(v.text), v.text[0])
	case filepath.IsAbs(v.text):
		return filepath.Clean(v.text), nil
	}
	abs, err := filepath.Abs(filepath.Join(filepath.Dir(p.file), v.text))
	if err != nil {
		return "", fmt.Errorf("%s: %w", quote(v.text), err)
	}
	return abs, checkText(abs) // the file's folder can have any name
}

// obsolete warns once of all keys that are no longer needed.
func (p *parser) obsolete() {
	if len(p.unused) > 0 {
		p.warnf(p.unused[0].line, "no longer needed and ignored, remove from the file: %s", together(p.unused))
	}
}

// foreignStatement reads over another program's key. A hostkey may be meant for all of them.
func (p *parser) foreignStatement(st statement) {
	if key, _, err := split(st.text); st.err == nil && err == nil && key == hostkey && p.stray.line == 0 {
		p.stray = st
	}
}

// strayed warns of a hostkey in a section that is none of ours: without one of its own
// this node is somebody new, which is not seen at once.
func (p *parser) strayed() {
	if p.stray.line != 0 && p.lines["."+hostkey] == 0 {
		p.warnf(p.stray.line, "%s in [%s] means nothing to this node; to be used it belongs %s", hostkey, clip(p.stray.section, 80), where(""))
	}
}

// cross checks settings against each other. What did not parse is not in
// p.fields and gives rise to no further errors here.
func (p *parser) cross() {
	c := p.config
	for _, api := range []struct {
		field string
		Endpoint
		others string // what they could do
	}{
		{"API", c.API, "announce and listen in this node's name"},
		{"DHTAPI", c.DHTAPI, "put and get values in this node's name"},
		{"RPSAPI", c.RPSAPI, "learn from this node who else is in the network"},
		{"NSEAPI", c.NSEAPI, "learn from this node how large the network is"},
	} {
		if g, ok := p.fields[api.field]; ok && !api.Off && !api.Loopback() && !c.APIAllowRemote && p.settled("APIAllowRemote") {
			p.errorf(g.line, g.key, "%s is not a loopback address: other machines could %s. "+
				"If that is wanted, set api_allow_remote = true in [gossip]", quote(g.text), api.others)
		}
	}
	if c.StateDir == "" && p.settled("StateDir") {
		p.errorf(0, "state_dir", "not in the file, and neither $XDG_STATE_HOME nor $HOME names a folder to put it in: "+
			"set state_dir in [hearsay]")
	}
	p.ownAddresses()
	p.collisions()
}

// settled says that no line tried in vain to set the field.
func (p *parser) settled(field string) bool {
	for _, s := range settings {
		if _, tried := p.lines[s.section+"."+s.key]; tried && s.field == field {
			if _, ok := p.fields[field]; !ok {
				return false
			}
		}
	}
	return true
}

// ownAddresses drops first contacts that are this node itself. While the p2p
// address is a default that may move, the same address can be another node.
func (p *parser) ownAddresses() {
	listen, ok := p.fields["Listen"]
	boot, also := p.fields["Bootstrap"]
	if !ok || !also {
		return
	}
	c := p.config
	c.Bootstrap = slices.DeleteFunc(c.Bootstrap, func(b Bootstrapper) bool {
		own := !hasProtocol(b.Addr, ma.P_CIRCUIT) && slices.ContainsFunc(c.Listen, func(l ma.Multiaddr) bool {
			return splitPlace(l).covers(splitPlace(b.Addr))
		})
		if own {
			p.warnf(boot.line, "%s: %s is this node's own %s (line %d) and ignored", boot.key, b, listen.key, listen.line)
		}
		return own
	})
	if len(c.Bootstrap) == 0 {
		c.Bootstrap = nil // as in Default
	}
}

// collisions finds services that the file gives the same TCP port as another one,
// or as one whose default it leaves in force.
func (p *parser) collisions() {
	type service struct {
		key  string
		line int // 0 = a default of [gossip]
		place
	}
	var services []service
	put := func(key string, line int, places []place) {
		for _, at := range places {
			services = append(services, service{key, line, at})
		}
	}
	add := func(field string, places []place) {
		g, ok := p.fields[field]
		if !ok {
			return
		}
		for _, at := range places {
			if i := slices.IndexFunc(services, func(s service) bool { return s.collides(at) }); i >= 0 {
				other := fmt.Sprintf("%s in line %d", services[i].key, services[i].line)
				if services[i].line == 0 {
					other = fmt.Sprintf("the default of [gossip] %s, which is not in the file", services[i].key)
				}
				p.errorf(g.line, g.key, "the same port as %s: give each its own", other)
				return
			}
		}
		put(g.key, g.line, places)
	}
	c := p.config
	var listen []place
	for _, m := range c.Listen {
		listen = append(listen, splitPlace(m))
	}
	// A default moves if its port is taken, but it comes before the others and takes it.
	if c.ListenDefault && p.settled("Listen") {
		put("p2p_address", 0, listen)
	}
	if c.API.Default && p.settled("API") {
		put("api_address", 0, c.API.places())
	}
	add("Listen", listen)
	add("API", c.API.places())
	add("DHTAPI", c.DHTAPI.places())
	add("RPSAPI", c.RPSAPI.places())
	add("NSEAPI", c.NSEAPI.places())
	add("Control", c.Control.places())
}

// places tells where an endpoint listens; nothing is known of a host name.
func (e Endpoint) places() []place {
	if e.Off {
		return nil
	}
	hosts := []string{e.Host}
	if e.Host == "" || e.Host == "::" { // the APIs take the latter for both as well
		hosts = []string{"0.0.0.0", "::"}
	}
	var places []place
	for _, host := range hosts {
		if ip, err := netip.ParseAddr(host); err == nil {
			places = append(places, place{ip: ip, transport: ma.P_TCP, port: e.Port})
		}
	}
	return places
}
