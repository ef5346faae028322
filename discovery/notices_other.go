//go:build !linux

package discovery

import "errors"

// notices is for kernels that tell of changes in a way that is known here.
type notices struct{}

func openNotices() (*notices, error) { return nil, errors.ErrUnsupported }

func (*notices) any() bool { return true }
func (*notices) close()    {}
