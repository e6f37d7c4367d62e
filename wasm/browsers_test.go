//go:build !js

package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// User agents as browsers send them.
const (
	webKit        = "Mozilla/5.0 (%s) AppleWebKit/605.1.15 (KHTML, like Gecko) %s"
	blink         = "Mozilla/5.0 (%s) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%s Safari/537.36%s"
	gecko         = "Mozilla/5.0 (%s; rv:%[2]d.0) Gecko/20100101 Firefox/%[2]d.0"
	onWindows     = "Windows NT 10.0; Win64; x64"
	onMac         = "Macintosh; Intel Mac OS X 10_15_7"
	onLinux       = "X11; Linux x86_64"
	onAndroid     = "Linux; Android 10; K"
	onIPhone      = "iPhone; CPU iPhone OS 18_6 like Mac OS X"
	firefoxOnMac  = "Macintosh; Intel Mac OS X 10.15"
	firefoxDroid  = "Android 15; Mobile"
	safariVersion = "Version/%d.0 Safari/605.1.15"
)

// TestWithoutWebGPU: where there is no WebGPU, the sentence is about the visitor's own
// browser and what it lacks, and names the setting or the version.
func TestWithoutWebGPU(t *testing.T) {
	chromeOn := func(system, version string) string { return fmt.Sprintf(blink, system, version, "") }
	safari := func(version int) string { return fmt.Sprintf(webKit, onMac, fmt.Sprintf(safariVersion, version)) }
	firefox := func(system string, version int) string { return fmt.Sprintf(gecko, system, version) }
	for _, c := range []struct {
		agent           string
		lack            lack
		message, remedy string
	}{
		{firefox(onLinux, 153), lackSecure, "plain http", "https://"},
		{chromeOn(onWindows, "157.0.0.0"), lackSecure, "plain http", "https://"},

		{firefox(onLinux, 153), lackAPI, "Firefox 153 has no WebGPU here", "about:config, set dom.webgpu.enabled to true and reload"},
		{firefox(onLinux, 153), lackAdapter, "Firefox 153 gives the page no WebGPU adapter", "gfx.webgpu.ignore-blocklist"},
		{firefox(onLinux, 140), lackAPI, "Firefox 140", "from version 141 on"},
		{firefox(onWindows, 140), lackAPI, "Firefox 140", "About Firefox"},
		{firefox(onWindows, 160), lackAPI, "Firefox 160", "dom.webgpu.enabled"},
		{firefox(firefoxOnMac, 146), lackAPI, "Firefox 146", "Apple silicon, from version 147"},
		{firefox(firefoxDroid, 160), lackAPI, "Firefox 160", "Chrome for Android"},
		{fmt.Sprintf(webKit, onIPhone, "FxiOS/140.0 Mobile/15E148 Safari/605.1.15"), lackAPI, "Firefox 140", "iOS 26"},

		{safari(18), lackAPI, "Safari 18 has no WebGPU here", "Develop > Feature Flags"},
		{safari(26), lackAPI, "Safari 26", "macOS 26"},
		{safari(26), lackAdapter, "Safari 26 gives the page no WebGPU adapter", "start Safari again"},
		{fmt.Sprintf(webKit, onIPhone, "Version/18.6 Mobile/15E148 Safari/604.1"), lackAPI, "Safari 18", "Software Update"},
		{fmt.Sprintf(webKit, onIPhone, "CriOS/140.0.0.0 Mobile/15E148 Safari/604.1"), lackAPI, "Chrome 140", "iOS 26"},

		{chromeOn(onLinux, "156.0.0.0"), lackAdapter, "Chrome 156 gives the page no WebGPU adapter", "chrome://flags/#enable-unsafe-webgpu"},
		{fmt.Sprintf(blink, onLinux, "156.0.0.0", " Edg/156.0.0.0"), lackAdapter, "Edge 156", "edge://flags/#enable-unsafe-webgpu"},
		{chromeOn(onLinux, "143.0.0.0"), lackAPI, "Chrome 143", "on Linux from version 144"},
		{chromeOn(onWindows, "112.0.0.0"), lackAPI, "Chrome 112", "on Windows from version 113"},
		{chromeOn(onWindows, "157.0.0.0"), lackAdapter, "Chrome 157", "chrome://settings/system"},
		{fmt.Sprintf(blink, onWindows, "157.0.0.0", " OPR/132.0.0.0"), lackAdapter, "Opera 132", "opera://settings/system"},
		{chromeOn(onAndroid, "120.0.0.0"), lackAPI, "Chrome 120", "on Android from version 121"},
		{chromeOn(onAndroid, "157.0.0.0"), lackAdapter, "Chrome 157", "Android 12"},

		{"", lackAdapter, "this browser", "a current Chrome, Edge, Firefox or Safari"},
		{"curl/8", lackAPI, "this browser", "a current Chrome, Edge, Firefox or Safari"},
	} {
		message, remedy := withoutWebGPU(c.agent, c.lack)
		assert.Contains(t, message, c.message, c.agent)
		assert.Contains(t, message, "WebGPU", c.agent)
		assert.Contains(t, remedy, c.remedy, c.agent)
		assert.Equal(t, sentence(remedy), remedy)
	}
}
