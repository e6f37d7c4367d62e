package wgpu

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBrowserText(t *testing.T) {
	for native, browser := range map[string]string{
		"enable f16;\nenable wgpu_cooperative_matrix;\n":                    "enable f16;\nenable chromium_experimental_subgroup_matrix;\ndiagnostic(off, chromium.subgroup_matrix_uniformity);\n",
		"let a = coopLoadT<coop_mat16x16<f16, A>>(&part[at], line);":        "let a = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>, row_major>(&part, at, line);",
		"let b = coopLoad<coop_mat8x8<f32, B>>(&part[at], line);":           "let b = subgroupMatrixLoad<subgroup_matrix_right<f32, 8, 8>, col_major>(&part, at, line);",
		"alias Sums = coop_mat16x16<f32, C>;":                               "alias Sums = subgroup_matrix_result<f32, 16, 16>;",
		"*c = coopMultiplyAdd(a, b, *c);\ncoopStoreT(c, &part[at], width);": "*c = subgroupMatrixMultiplyAccumulate(a, b, *c);\nsubgroupMatrixStore<row_major>(&part, at, c, width);",
		"let sum = subgroupAdd(x);":                                         "enable subgroups;\nlet sum = subgroupAdd(x);",
		"let x = quadBroadcast(y, 1u);":                                     "enable subgroups;\nlet x = quadBroadcast(y, 1u);",
		"@builtin(subgroup_size) size: u32,":                                "enable subgroups;\n@builtin(subgroup_size) size: u32,",
		"// one of a subgroup (of 32)\nlet x = 1.0;":                        "// one of a subgroup (of 32)\nlet x = 1.0;",
	} {
		assert.Equal(t, browser, browserText(native))
	}
}
