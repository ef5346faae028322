package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"hearsay/node/config"
	"hearsay/node/identity"
)

// keyFile is the name of a hostkey in a state folder.
const keyFile = "hostkey.pem"

func (a *app) keyCommand() *cobra.Command {
	return a.group("key", "Make or show a hostkey, which is who a node is", a.keyNewCommand(), a.keyShowCommand())
}

func (a *app) keyNewCommand() *cobra.Command {
	var out, network string
	var bits int
	cmd := &cobra.Command{
		Use:   "new [FILE]",
		Short: "Make a hostkey, or the key of a closed network",
		Long: `Make a hostkey, an Ed25519 key unless --rsa asks for another, and write it to
FILE, or to where the node's configuration has it. Nothing is overwritten.

With --network FILE make the key of a closed network instead, in the format of
swarm.key. All its nodes need the same one, in a file that only they can read, and
the setting network_key = FILE. Whoever has another, or none, cannot connect.`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if network != "" {
				if len(args) > 0 || out != "" || bits != 0 {
					return usage(cmd, "--network FILE makes a network's key and nothing else")
				}
				return a.newNetworkKey(network)
			}
			if len(args) > 0 && out != "" {
				return usage(cmd, "name the file once, as an argument or with --out")
			}
			path, err := a.keyPath(append(args, out)...)
			if err != nil {
				return err
			}
			id, err := newKey(cmd, bits)
			if err != nil {
				return err
			}
			if err := id.Write(path); err != nil {
				return err
			}
			return a.showKey(id, path)
		},
	}
	cmd.Flags().StringVar(&network, "network", "", "make the key of a closed network and write it to this new `FILE`")
	cmd.Flags().StringVar(&out, "out", "", "write the key to this new `FILE`")
	cmd.Flags().IntVar(&bits, "rsa", 0, "make an RSA key of `BITS` (2048 to 8192), for networks that want it")
	return cmd
}

func (a *app) keyShowCommand() *cobra.Command {
	var network string
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show the peer ID and the kind of a hostkey, never the key",
		Long: `Show the peer ID and the kind of a hostkey, never the key. With --network FILE show
the fingerprint of a network's key: the same for the same key.`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if network != "" {
				if len(args) > 0 {
					return usage(cmd, "--network FILE shows a network's key and nothing else")
				}
				return a.showNetworkKey(network)
			}
			path, err := a.keyPath(args...)
			if err != nil {
				return err
			}
			id, err := identity.LoadFor(path, owner(filepath.Dir(path)))
			if err != nil {
				return err
			}
			return a.showKey(id, path)
		},
	}
	cmd.Flags().StringVar(&network, "network", "", "show the fingerprint of the network's key in this `FILE`")
	return cmd
}

func (a *app) newNetworkKey(path string) error {
	if err := identity.NewNetworkKey().Write(path); err != nil {
		return err
	}
	return a.showNetworkKey(path)
}

func (a *app) showNetworkKey(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	k, err := identity.LoadNetworkKey(path, owner(filepath.Dir(path)))
	if err != nil {
		return err
	}
	shown := struct {
		Version     int    `json:"version"`
		Fingerprint string `json:"fingerprint"`
		Path        string `json:"path"`
	}{1, k.Fingerprint(), path}
	return a.print(shown, func(w io.Writer) {
		fmt.Fprintf(w, "network key  fingerprint %s\nfile         %s\n", shown.Fingerprint, oneLine(path))
	})
}

func (a *app) showKey(id *identity.Identity, path string) error {
	shown := struct {
		Version int    `json:"version"`
		ID      string `json:"id"`
		Kind    string `json:"kind"`
		Bits    int    `json:"bits"`
		Path    string `json:"path"`
	}{1, id.ID().String(), id.Kind(), id.Bits(), path}
	return a.print(shown, func(w io.Writer) {
		fmt.Fprintf(w, "peer ID  %s\nkey      %s, %d bits\nfile     %s\n", shown.ID, shown.Kind, shown.Bits, oneLine(path))
	})
}

// keyPath is the first of the named files, else where the configured node has
// its key, as an absolute path.
func (a *app) keyPath(named ...string) (string, error) {
	for _, name := range named {
		if name != "" {
			return filepath.Abs(name)
		}
	}
	cfg, err := a.load()
	if err != nil {
		return "", err
	}
	return hostKey(cfg), nil
}

// hostKey is where a node with this configuration has its key.
func hostKey(cfg *config.Config) string {
	if cfg.HostKey != "" {
		return cfg.HostKey
	}
	return filepath.Join(cfg.StateDir, keyFile)
}

// ownID is the peer ID that the configuration settles, "" if it settles none:
// the key that a node makes itself tells nothing before the node was there. One that
// the user named must be there: a slip of the pen must not mean any node.
func ownID(cfg *config.Config) (string, error) {
	if cfg.HostKey == "" {
		return "", nil
	}
	id, err := identity.Load(cfg.HostKey)
	if err != nil {
		return "", err
	}
	return id.ID().String(), nil
}

// newKey makes an Ed25519 key, or an RSA key if bits is not 0.
func newKey(cmd *cobra.Command, bits int) (*identity.Identity, error) {
	if bits == 0 {
		return identity.New()
	}
	if bits < identity.MinRSABits || bits > identity.MaxRSABits {
		return nil, usage(cmd, "--rsa %d: libp2p takes %d to %d bits", bits, identity.MinRSABits, identity.MaxRSABits)
	}
	// A large one can take a minute, and who presses Ctrl-C does not want it any more.
	key, err := await(cmd.Context(), func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, bits) })
	if err != nil {
		return nil, err
	}
	return identity.Parse(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}
