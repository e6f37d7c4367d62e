package shaders

// cells gives the constants of a file whose rows are counted in cells, and how
// many numbers a cell has: four where all widths are whole fours, else one.
func cells(widths ...int) (constants string, size int) {
	for _, w := range widths {
		if w%4 != 0 {
			return "", 1
		}
	}
	return Constants("Cell", "vec4<f32>"), 4
}
