package data

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/go-dept/dept/dept/tasks"
)

// folderRecords has a text a file, in folders called as classes, or as they begin: neg and pos. Classes come in
// their order, files in that of their names.
type folderRecords struct {
	path           string
	column, target string
	files          []struct{ name, label string } // that are left
	read           int
}

func newFolderRecords(path string, task *tasks.Task) (*folderRecords, error) {
	layout := task.FolderLayout()
	f := &folderRecords{path: path, column: layout.Columns()[0], target: layout.Target}
	folders, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	for _, label := range task.Labels {
		for _, folder := range folders {
			if name := folder.Name(); !folder.IsDir() || name == "" || !strings.HasPrefix(label, strings.ToLower(name)) {
				continue
			}
			files, err := os.ReadDir(filepath.Join(path, folder.Name()))
			if err != nil {
				return nil, err
			}
			for _, file := range files {
				if strings.HasSuffix(file.Name(), ".txt") && !file.IsDir() {
					f.files = append(f.files, struct{ name, label string }{filepath.Join(folder.Name(), file.Name()), label})
				}
			}
		}
	}
	if len(f.files) == 0 {
		return nil, fmt.Errorf("it is a folder without folders of texts called as the classes of task %s, or as these begin: %s", task.Name, strings.Join(task.Labels, ", "))
	}
	return f, nil
}

func (f *folderRecords) next() (int, record, error) {
	if len(f.files) == 0 {
		return f.read + 1, record{}, io.EOF
	}
	file := f.files[0]
	f.files = f.files[1:]
	f.read++
	r := record{cells: map[string]string{f.target: file.label}, at: file.name}
	if stat, err := os.Stat(filepath.Join(f.path, file.name)); err == nil && stat.Size() > maxRow {
		return f.read, record{}, fmt.Errorf("%s: %w", file.name, errTooLong)
	}
	text, err := os.ReadFile(filepath.Join(f.path, file.name))
	if err == nil && !utf8.Valid(text) {
		err = fmt.Errorf("%s: %w", file.name, errNotUTF8)
	}
	r.cells[f.column] = strings.TrimRight(string(text), "\r\n")
	return f.read, r, err
}
