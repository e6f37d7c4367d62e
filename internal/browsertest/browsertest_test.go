//go:build !js

package browsertest

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
)

// TestInChromium runs the tests that touch a device in a browser: the driver's
// own in a worker and in a window, the table of kernels, and the golden cases.
func TestInChromium(t *testing.T) {
	chromium := Chromium(t)
	for _, tc := range []struct {
		name  string
		tests Tests
	}{
		{"wgpu", Tests{Dir: "../../wgpu", Args: []string{"-test.skip=^TestCrash$"}}},
		{"wgpu in a window", Tests{Dir: "../../wgpu", Args: []string{"-test.skip=^TestCrash$"}, Window: true}},
		{"shaders", Tests{Dir: "../../shaders", Args: []string{"-test.run=^TestOperations$"}}},
		{"golden", Tests{Dir: "../../dept", Args: []string{"-test.run=^TestGolden$"}}},
		// Last, since Chromium starts its GPU process anew.
		{"crash", Tests{Dir: "../../wgpu", Args: []string{"-test.run=^TestCrash$"}, Line: func(line string) {
			if strings.Contains(line, "ready for the crash") {
				_, err := cdp.Call(chromium, chromedp.FromContext(chromium).Browser, browser.CrashGPUProcess, cdp.Empty{})
				assert.NoError(t, err)
			}
		}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.tests.Args = append(tc.tests.Args, "-test.v")
			Run(t, chromium, tc.tests)
		})
	}
}
