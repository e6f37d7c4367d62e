//go:build !js

package browsertest

import (
	"flag"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
)

var all = flag.Bool("all", false, "the whole table of kernels, which takes minutes more to compile")

// TestInChromium runs the tests that touch a device in a browser: the driver's
// own in a worker and in a window, the table of kernels, the golden cases, and what a
// training step costs on this side of the device.
func TestInChromium(t *testing.T) {
	table, most := "-few", MostPipelines
	if *all {
		table, most = "-few=false", MostPipelinesOfAll
	}
	chromium := Chromium(t)
	pipelines := 0
	for _, tc := range []struct {
		name  string
		tests Tests
	}{
		{"wgpu", Tests{Dir: "../../wgpu", Args: []string{"-test.skip=^TestCrash$"}}},
		{"wgpu in a window", Tests{Dir: "../../wgpu", Args: []string{"-test.run=^(TestAdapterInBrowser|TestReadLater|TestLostDevice)$"}, Window: true}},
		{"shaders", Tests{Dir: "../../shaders", Args: []string{"-test.run=^TestOperations$", table}}},
		{"dept/train", Tests{Dir: "../../dept/train", Args: []string{"-test.run=^(TestGolden|TestStepIsCheap)$"}}},
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
			pipelines += Run(t, chromium, tc.tests)
		})
	}
	t.Logf("pipelines: %d", pipelines)
	assert.LessOrEqual(t, pipelines, most)
}
