package text

import "fmt"

// byteText is the piece that stands for a byte.
func byteText(b byte) string { return fmt.Sprintf("<0x%02X>", b) }

// isByte says whether a piece's text is that of a byte.
func isByte(text string) bool {
	return len(text) == len("<0x00>") && text[:3] == "<0x" && text[5] == '>' && hexadecimal(text[3]) >= 0 && hexadecimal(text[4]) >= 0
}

// byteOf is the byte that a piece of which isByte is true stands for.
func byteOf(text string) byte { return byte(hexadecimal(text[3])<<4 | hexadecimal(text[4])) }

func hexadecimal(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
