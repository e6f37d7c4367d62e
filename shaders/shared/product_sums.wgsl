// The sums, by name so that they stay in registers: sQR is row R of block Q. Blocks
// are counted along rows.
var<private> s00: vec4<f32>;
var<private> s01: vec4<f32>;
var<private> s02: vec4<f32>;
var<private> s03: vec4<f32>;
var<private> s10: vec4<f32>;
var<private> s11: vec4<f32>;
var<private> s12: vec4<f32>;
var<private> s13: vec4<f32>;
var<private> s20: vec4<f32>;
var<private> s21: vec4<f32>;
var<private> s22: vec4<f32>;
var<private> s23: vec4<f32>;
var<private> s30: vec4<f32>;
var<private> s31: vec4<f32>;
var<private> s32: vec4<f32>;
var<private> s33: vec4<f32>;

// Add the products of four rows of A and four columns of B at one k.

fn add0(x: vec4<f32>, y: vec4<f32>) {
  s00 = fma(vec4(x.x), y, s00);
  s01 = fma(vec4(x.y), y, s01);
  s02 = fma(vec4(x.z), y, s02);
  s03 = fma(vec4(x.w), y, s03);
}

fn add1(x: vec4<f32>, y: vec4<f32>) {
  s10 = fma(vec4(x.x), y, s10);
  s11 = fma(vec4(x.y), y, s11);
  s12 = fma(vec4(x.z), y, s12);
  s13 = fma(vec4(x.w), y, s13);
}

fn add2(x: vec4<f32>, y: vec4<f32>) {
  s20 = fma(vec4(x.x), y, s20);
  s21 = fma(vec4(x.y), y, s21);
  s22 = fma(vec4(x.z), y, s22);
  s23 = fma(vec4(x.w), y, s23);
}

fn add3(x: vec4<f32>, y: vec4<f32>) {
  s30 = fma(vec4(x.x), y, s30);
  s31 = fma(vec4(x.y), y, s31);
  s32 = fma(vec4(x.z), y, s32);
  s33 = fma(vec4(x.w), y, s33);
}
