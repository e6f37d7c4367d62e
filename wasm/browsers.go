package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// lack is why a page has no WebGPU.
type lack int

const (
	lackAdapter lack = iota // the browser has WebGPU, but nothing that runs it
	lackAPI                 // there is no navigator.gpu
	lackSecure              // nor would there be one in any browser: the page came over plain http
)

// The systems that matter for WebGPU.
const (
	windows = "Windows"
	macOS   = "macOS"
	iOS     = "iOS"
	android = "Android"
	linux   = "Linux"
	chrome  = "ChromeOS"
)

// browserOf reads a user agent: the browser as its users call it, its version and its
// system, as far as they are told. On iOS every browser is Safari underneath; browsers
// without a name of their own here are Chrome underneath.
func browserOf(agent string) (name string, version int, system string) {
	for _, s := range []struct{ sign, system string }{
		{"iPhone", iOS}, {"iPad", iOS}, {"Android", android}, {"Windows", windows}, {"Macintosh", macOS}, {"CrOS", chrome}, {"Linux", linux},
	} {
		if strings.Contains(agent, s.sign) {
			system = s.system
			break
		}
	}
	for _, b := range []struct{ name, sign string }{
		{"Firefox", `(?:Firefox|FxiOS)`}, {"Edge", `(?:Edg|EdgA|EdgiOS)`}, {"Opera", `(?:OPR|OPT)`}, {"Chrome", `(?:CriOS|Chrome)`}, {"Safari", `Version`},
	} {
		if m := regexp.MustCompile(b.sign + `/(\d+)`).FindStringSubmatch(agent); m != nil {
			version, _ = strconv.Atoi(m[1])
			return b.name, version, system
		}
	}
	return "", 0, system
}

// withoutWebGPU says why a page has no WebGPU in a browser, and which setting or version
// brings it, in that browser's own words. docs/page.md names the sources.
func withoutWebGPU(agent string, l lack) (message, remedy string) {
	name, version, system := browserOf(agent)
	if l == lackSecure {
		return "this page came over plain http from another machine, and browsers give WebGPU to no such page",
			"Open it with https:// in its address, or run dept serve on the machine in front of you and open the address that it prints."
	}
	message = "this browser gives the page no WebGPU adapter"
	if name != "" {
		message = fmt.Sprintf("%s %d gives the page no WebGPU adapter", name, version)
		if l == lackAPI {
			message = fmt.Sprintf("%s %d has no WebGPU here", name, version)
		}
	}
	switch {
	case system == iOS:
		remedy = "WebGPU comes with iOS 26, for every browser on it: Settings > General > Software Update."
	case name == "Firefox":
		remedy = firefoxRemedy(version, system, l)
	case name == "Safari":
		remedy = safariRemedy(version, l)
	case name == "":
		remedy = "Open the page in a current Chrome, Edge, Firefox or Safari, with hardware acceleration switched on."
	default:
		remedy = chromeRemedy(name, version, system)
	}
	return message, remedy
}

func firefoxRemedy(version int, system string, l lack) string {
	const first = 141 // with WebGPU anywhere
	const ignore = "Open about:config, set gfx.webgpu.ignore-blocklist to true and start Firefox again. On a machine without a GPU set dom.webgpu.allow-software-adapters to true, too."
	switch {
	case version < first:
		return fmt.Sprintf("Firefox has WebGPU from version %d on: menu > Help > About Firefox updates it.", first)
	case system == android:
		return "Firefox for Android has no WebGPU yet; Chrome for Android has."
	case l == lackAdapter:
		return ignore
	case system == macOS:
		return "Firefox has WebGPU on Macs with Apple silicon, from version 147 on: Firefox > About Firefox updates it. On an Intel Mac take Safari 26 on macOS 26, or Chrome."
	case system == linux:
		return "Open about:config, set dom.webgpu.enabled to true and reload this page. If that does not do, set gfx.webgpu.ignore-blocklist to true as well and start Firefox again."
	}
	return "Open about:config, set dom.webgpu.enabled to true and reload this page."
}

func safariRemedy(version int, l lack) string {
	switch {
	case l == lackAdapter:
		return "Close other pages that use the graphics processor, start Safari again and reload this page."
	case version < 26:
		return "Safari has WebGPU from macOS 26 and iPadOS 26 on: System Settings > General > Software Update. In Safari 18, Develop > Feature Flags > WebGPU may bring it. On older macOS, Chrome has it."
	}
	return "Safari has WebGPU on macOS 26 and iPadOS 26 or later: System Settings > General > Software Update. On older macOS, Chrome has it."
}

// chromeRemedy is for Chrome and those that are built on it.
func chromeRemedy(name string, version int, system string) string {
	scheme := map[string]string{"Edge": "edge", "Opera": "opera"}[name]
	if scheme == "" {
		scheme = "chrome"
	}
	first := map[string]int{android: 121, linux: 144}[system]
	if first == 0 {
		first = 113
	}
	if name == "Opera" {
		first = 0 // it has version numbers of its own
	}
	switch {
	case version < first:
		return fmt.Sprintf("%s has WebGPU on %s from version %d on: %s://settings/help updates it.", name, system, first, scheme)
	case system == linux:
		return fmt.Sprintf("Open %s://flags/#enable-unsafe-webgpu, choose Enabled and press Relaunch. If that does not do, start it with --enable-unsafe-webgpu --ozone-platform=x11 --use-angle=vulkan --enable-features=Vulkan,VulkanFromANGLE.", scheme)
	case system == android:
		return fmt.Sprintf("%s has WebGPU on Android 12 or later, on GPUs of Qualcomm, Arm and Intel, and on Android 16 on those of Imagination.", name)
	}
	return fmt.Sprintf("Open %s://settings/system, switch on graphics acceleration and press Relaunch; %s://gpu says what else is in the way.", scheme, scheme)
}
