package wgpu

import "regexp"

// browserNames are what browsers call what wgpu-native has under names of its own:
// cooperative matrices are Chromium's subgroup matrices, whose left operand is A, and
// coopLoadT is a load by rows. Chromium cannot know that the number of a thread over the
// size of a subgroup is the same for all threads of one.
var browserNames = []struct {
	native  *regexp.Regexp
	browser string
}{
	{regexp.MustCompile(`enable wgpu_cooperative_matrix;`), "enable chromium_experimental_subgroup_matrix;\ndiagnostic(off, chromium.subgroup_matrix_uniformity);"},
	{regexp.MustCompile(`coop_mat(\d+)x(\d+)<(\w+), A>`), "subgroup_matrix_left<$3, $1, $2>"},
	{regexp.MustCompile(`coop_mat(\d+)x(\d+)<(\w+), B>`), "subgroup_matrix_right<$3, $1, $2>"},
	{regexp.MustCompile(`coop_mat(\d+)x(\d+)<(\w+), C>`), "subgroup_matrix_result<$3, $1, $2>"},
	{regexp.MustCompile(`coopLoadT<([^(]+)>\(&(\w+)\[(\w+)\], (\w+)\)`), "subgroupMatrixLoad<$1, row_major>(&$2, $3, $4)"},
	{regexp.MustCompile(`coopLoad<([^(]+)>\(&(\w+)\[(\w+)\], (\w+)\)`), "subgroupMatrixLoad<$1, col_major>(&$2, $3, $4)"},
	{regexp.MustCompile(`coopStoreT\((\w+), &(\w+)\[(\w+)\], (\w+)\)`), "subgroupMatrixStore<row_major>(&$2, $3, $1, $4)"},
	{regexp.MustCompile(`coopMultiplyAdd\(`), "subgroupMatrixMultiplyAccumulate("},
}

// subgroupUse finds a subgroup operation, or a value that only those need.
var subgroupUse = regexp.MustCompile(`\b(subgroup(Add|All|Any|Ballot|Broadcast|BroadcastFirst|Elect|Max|Min|Mul|Shuffle\w*)\(|quad(Broadcast|Swap\w+)\(|subgroup_(size|invocation_id)\b)`)

// browserText is a shader's text for browsers, from that for wgpu-native: with the names
// that they have for cooperative matrices, and with the line that they want before
// subgroup operations, which wgpu-native does not know.
func browserText(wgsl string) string {
	for _, n := range browserNames {
		wgsl = n.native.ReplaceAllString(wgsl, n.browser)
	}
	if subgroupUse.MatchString(wgsl) {
		wgsl = "enable subgroups;\n" + wgsl
	}
	return wgsl
}
