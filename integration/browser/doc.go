// Package browser has a real browser look at the dashboard: Debian's Chromium,
// headless, driven by chromedp, against nodes that run as processes of their own,
// and against made-up ones with five hundred peers.
//
// It is a module of its own so that what drives a browser is no dependency of the
// node. Its tests need Chromium, and say so and do nothing where there is none;
// with HEARSAY_BROWSER=1 that is a failure.
//
//	cd integration/browser && HEARSAY_BROWSER=1 go test ./...
//
// With HEARSAY_SCREENSHOTS=DIR what the tests saw is in DIR, in dark and in light.
package browser
