// Package foreign recognises the wrong kind of thing before anything is parsed: a file by its first
// bytes, a folder by what lies in it. It says in a sentence what the thing is and what to do.
package foreign

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// HeadLen is how many of a file's first bytes Check looks at.
const HeadLen = 512

// Format is what a file's first bytes show. JSON, tables and plain text show nothing.
type Format int

// The formats that a reader may ask for.
const (
	SafeTensors Format = iota + 1
	PyTorch            // what torch.save writes, old or new
	Gzip
	Parquet
	UTF16
	other
)

// format is a row of the table of formats.
type format struct {
	Format
	is, advice string
	matches    func(head []byte) bool
}

const (
	asCheckpoint = "give the folder of the checkpoint that it was made from, with config.json and model.safetensors or pytorch_model.bin"
	inPython4    = "transformers 4 writes the weights that dept reads: T5ForConditionalGeneration.from_pretrained(FOLDER, %s=True).save_pretrained(FOLDER)"
	asText       = "save it as CSV, TSV or JSON lines"
	unpack       = "unpack it first"
)

// formats are looked through in this order.
var formats = []format{
	{other, "a Git LFS pointer, not the file", "run git lfs pull in its repository", starts("version https://git-lfs.github.com/spec/")},
	{other, "an HTML page, not the file", "what was asked for it answered with a page, of a login or an error: fetch the file itself (on Hugging Face its address has /resolve/ where the page's has /blob/)", isHTML},
	{other, "a server's error message, not the file", "fetch it again; where the repository is private or gated, with a token", isServerError},
	{other, "an XML text", "a server answers so where it refuses or lacks a file: fetch it again", func(head []byte) bool { return starts("<?xml")(text(head)) }},
	{SafeTensors, "a safetensors file", "give the folder that holds it, under the name model.safetensors or adapter_model.safetensors, beside its config", isSafeTensors},
	{PyTorch, "a PyTorch file", "give the folder that holds it, under the name pytorch_model.bin or adapter_model.bin, beside its config", isPyTorch},
	{other, "a GGUF file, llama.cpp's form of a model", asCheckpoint, starts("GGUF")},
	{other, "an HDF5 file, as Keras and TensorFlow store weights", fmt.Sprintf(inPython4, "from_tf"), starts("\x89HDF\r\n\x1a\n")},
	{other, "a msgpack file, as Flax stores weights", fmt.Sprintf(inPython4, "from_flax"), isMsgpack},
	{other, "an ONNX model", asCheckpoint, isONNX},
	{Parquet, "a Parquet file", "give it a name that ends in .parquet", starts("PAR1")},
	{other, "an Arrow file", asText + ", or as Parquet", func(head []byte) bool { return starts("ARROW1")(head) || starts("\xff\xff\xff\xff")(head) }},
	{other, "a spreadsheet", asText, func(head []byte) bool {
		return zipped(head, "[Content_Types].xml", "xl/", "mimetypeapplication/vnd.oasis")
	}},
	{other, "a spreadsheet or document of old Office programs", asText, starts("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")},
	{other, "a zip of NumPy arrays", asText, func(head []byte) bool { return zipped(head, ".npy") }},
	{other, "a zip archive", unpack, func(head []byte) bool { return starts("PK\x03\x04")(head) || starts("PK\x05\x06")(head) }},
	{Gzip, "compressed with gzip", "unpack it with gunzip", starts("\x1f\x8b")},
	{other, "compressed with Zstandard", "unpack it with unzstd", starts("\x28\xb5\x2f\xfd")},
	{other, "compressed with xz", "unpack it with unxz", starts("\xfd7zXZ\x00")},
	{other, "compressed with bzip2", "unpack it with bunzip2", func(head []byte) bool { return starts("BZh")(head) && len(head) > 4 && starts("1AY&SY")(head[4:]) }},
	{other, "a 7-Zip archive", unpack, starts("7z\xbc\xaf\x27\x1c")},
	{other, "a tar archive", unpack, func(head []byte) bool { return len(head) >= 262 && starts("ustar")(head[257:]) }},
	{other, "a Python pickle", "reading it may run any program, so dept does not: save what is in it in another form", isPickle},
	{other, "a NumPy array", asText, starts("\x93NUMPY")},
	{other, "an SQLite database", asText, starts("SQLite format 3\x00")},
	{other, "a PDF document", asText, starts("%PDF-")},
	{other, "a picture", "dept reads text", func(head []byte) bool {
		return starts("\x89PNG\r\n")(head) || starts("\xff\xd8\xff")(head) || starts("GIF8")(head)
	}},
	{UTF16, "text in UTF-16", "save it as UTF-8 (PowerShell: Out-File -Encoding utf8)", func(head []byte) bool { return starts("\xff\xfe")(head) || starts("\xfe\xff")(head) }},
}

// Check refuses a file that begins with head where that shows it to be in a format other than those
// wanted. A file whose beginning shows nothing passes. Its error wants the file's name in front.
func Check(head []byte, wanted ...Format) error {
	f := recognise(head)
	if f == nil {
		return nil
	}
	for _, w := range wanted {
		if f.Format == w {
			return nil
		}
	}
	return fmt.Errorf("it is %s: %s", f.is, f.advice)
}

// CheckAt is Check for the file behind r.
func CheckAt(r io.ReaderAt, wanted ...Format) error {
	head := make([]byte, HeadLen)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil // reading it will say more
	}
	return Check(head[:n], wanted...)
}

// CheckFile is Check for the file at path; what cannot be opened passes, as do pipes.
func CheckFile(path string, wanted ...Format) error {
	stat, err := os.Stat(path)
	if err != nil || !stat.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	return CheckAt(f, wanted...)
}

// CheckFolder refuses what is no folder, where one that holds a file is needed, and says what it is.
func CheckFolder(path, file string) error {
	stat, err := os.Stat(path)
	if err != nil || stat.IsDir() {
		return err
	}
	if err := CheckFile(path); err != nil {
		return err
	}
	return fmt.Errorf("it is no folder; give the folder that holds %s", file)
}

func recognise(head []byte) *format {
	head = head[:min(len(head), HeadLen)]
	for i := range formats {
		if formats[i].matches(head) {
			return &formats[i]
		}
	}
	return nil
}

func starts(with string) func(head []byte) bool {
	return func(head []byte) bool { return bytes.HasPrefix(head, []byte(with)) }
}

// text is a file's beginning without a byte-order mark and blanks in front.
func text(head []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
}

func isHTML(head []byte) bool {
	lower := bytes.ToLower(text(head))
	for _, tag := range []string{"<!doctype html", "<html", "<head>", "<body"} {
		if bytes.HasPrefix(lower, []byte(tag)) {
			return true
		}
	}
	return false
}

// isServerError knows the texts with which Hugging Face's hub answers for a file.
func isServerError(head []byte) bool {
	if len(head) >= HeadLen {
		return false
	}
	answer := strings.TrimSpace(string(head))
	switch strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(answer, `"}`), `{"error":"`), ".") {
	case "Entry not found", "Repository not found", "Invalid username or password", "Invalid credentials in Authorization header":
		return true
	}
	return strings.HasPrefix(answer, "Access to model ") && strings.Contains(answer, "restricted")
}

// isSafeTensors: the length of a header of JSON, then the header.
func isSafeTensors(head []byte) bool {
	return len(head) > 9 && head[8] == '{' && head[9] == '"' && binary.LittleEndian.Uint64(head) <= 100_000_000
}

// isPyTorch: a zip that begins with a folder's data.pkl, as PyTorch writes it, or the magic number
// of its older form, pickled.
func isPyTorch(head []byte) bool {
	return zipped(head, "data.pkl") || zipped(head, ".format_version") || starts("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.")(head)
}

// zipped says whether a zip's first entry has a part in its name, or beginning.
func zipped(head []byte, part string, parts ...string) bool {
	if !starts("PK\x03\x04")(head) || len(head) < 30 {
		return false
	}
	first := string(head[30:])
	first = first[:min(len(first), int(binary.LittleEndian.Uint16(head[26:]))+64)]
	for _, p := range append(parts, part) {
		if strings.Contains(first, p) {
			return true
		}
	}
	return false
}

// isPickle: an instruction that names the protocol, then one that is common at a beginning.
func isPickle(head []byte) bool {
	return len(head) > 2 && head[0] == 0x80 && 2 <= head[1] && head[1] <= 5 && strings.IndexByte("\x95}]()cX\x8aKMC", head[2]) >= 0
}

// isMsgpack: a map of a few entries, the first name a plain word.
func isMsgpack(head []byte) bool {
	if len(head) < 3 || head[0] < 0x81 || head[0] > 0x8f || head[1] < 0xa1 || head[1] > 0xbf {
		return false
	}
	word := head[2:]
	word = word[:min(len(word), int(head[1]-0xa0))]
	for _, c := range word {
		if c != '_' && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// isONNX: the version of ONNX, field 1 of its protocol buffer, then the name of the program that
// wrote the file, or the field after it.
func isONNX(head []byte) bool {
	return len(head) > 4 && head[0] == 0x08 && 3 <= head[1] && head[1] <= 20 && (head[2] == 0x12 || head[2] == 0x1a || head[2] == 0x3a) && head[3] > 0
}

// exists says whether a folder has a file of a name.
func exists(dir fs.FS, name string) bool {
	_, err := fs.Stat(dir, name)
	return err == nil
}
