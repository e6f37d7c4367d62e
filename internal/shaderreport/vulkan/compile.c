// Compiles a compute shader with the compiler of a Vulkan driver, whose hardware need
// not be there, and prints what the compiler reports: a line "NAME: NUMBER" for each
// statistic, then "== NAME" and the text of each listing whose name has a word in it.
//
//   cc -O1 -o compile compile.c -lvulkan
//   compile SHADER.spv ENTRY WORD [weak]
//
// The device is opened as wgpu opens one, with robust access to buffers where the
// driver has it; weak goes without. "Subgroup size" is printed with the statistics.
// Bindings are those of package shaders: 0 and 9 uniform, 1 to 8 storage.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan.h>

static void check(VkResult result, const char *what) {
  if (result != VK_SUCCESS) {
    fprintf(stderr, "compile: %s: VkResult %d\n", what, result);
    exit(1);
  }
}

static VkShaderModuleCreateInfo read_module(const char *path) {
  VkShaderModuleCreateInfo info = {VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
  FILE *f = fopen(path, "rb");
  if (!f || fseek(f, 0, SEEK_END)) {
    perror(path);
    exit(1);
  }
  info.codeSize = ftell(f);
  rewind(f);
  uint32_t *code = malloc(info.codeSize);
  if (fread(code, 1, info.codeSize, f) != info.codeSize) {
    perror(path);
    exit(1);
  }
  fclose(f);
  info.pCode = code;
  return info;
}

// A device with every feature that it has, so that no shader asks for more.
static VkDevice open_device(int robust) {
  VkApplicationInfo app = {VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_3};
  VkInstanceCreateInfo instance_info = {VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app};
  VkInstance instance;
  check(vkCreateInstance(&instance_info, NULL, &instance), "create an instance");
  uint32_t count = 1;
  VkPhysicalDevice physical;
  VkResult result = vkEnumeratePhysicalDevices(instance, &count, &physical);
  check(count == 1 && result == VK_INCOMPLETE ? VK_SUCCESS : result, "list devices");
  if (count == 0) {
    fprintf(stderr, "compile: the driver has no device\n");
    exit(1);
  }
  VkPhysicalDeviceDriverProperties driver = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
  VkPhysicalDeviceProperties2 properties = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &driver};
  vkGetPhysicalDeviceProperties2(physical, &properties);
  const char *name = properties.properties.deviceName;
  fprintf(stderr, "device: %s, %s\n", name, driver.driverInfo);

  VkPhysicalDeviceRobustness2FeaturesEXT robustness = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ROBUSTNESS_2_FEATURES_EXT};
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executable = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR, &robustness};
  VkPhysicalDeviceVulkan13Features f13 = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES, &executable};
  VkPhysicalDeviceVulkan12Features f12 = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, &f13};
  VkPhysicalDeviceVulkan11Features f11 = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, &f12};
  VkPhysicalDeviceFeatures2 features = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &f11};
  vkGetPhysicalDeviceFeatures2(physical, &features);
  if (!executable.pipelineExecutableInfo) {
    fprintf(stderr, "compile: %s reports nothing of its compiler (pipelineExecutableInfo)\n", name);
    exit(1);
  }
  const char *extensions[] = {VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME, VK_EXT_ROBUSTNESS_2_EXTENSION_NAME};
  uint32_t extension_count = robustness.robustBufferAccess2 ? 2 : 1;
  robustness.nullDescriptor = VK_FALSE;
  if (!robust) {
    features.features.robustBufferAccess = VK_FALSE;
    robustness.robustBufferAccess2 = VK_FALSE;
  }
  float priority = 1;
  VkDeviceQueueCreateInfo queue = {VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueCount = 1, .pQueuePriorities = &priority};
  VkDeviceCreateInfo info = {
      VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &features, .queueCreateInfoCount = 1, .pQueueCreateInfos = &queue,
      .enabledExtensionCount = extension_count, .ppEnabledExtensionNames = extensions};
  VkDevice device;
  check(vkCreateDevice(physical, &info, NULL, &device), "open the device");
  return device;
}

static VkPipeline compile(VkDevice device, const VkShaderModuleCreateInfo *code, const char *entry) {
  VkShaderModule module;
  check(vkCreateShaderModule(device, code, NULL, &module), "take the shader");
  VkDescriptorSetLayoutBinding bindings[10] = {{0}};
  for (int i = 0; i < 10; i++) {
    bindings[i].binding = i;
    bindings[i].descriptorCount = 1;
    bindings[i].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
    bindings[i].descriptorType = i == 0 || i == 9 ? VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
  }
  VkDescriptorSetLayoutCreateInfo set_info = {VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = 10, .pBindings = bindings};
  VkDescriptorSetLayout set;
  check(vkCreateDescriptorSetLayout(device, &set_info, NULL, &set), "lay out the bindings");
  VkPipelineLayoutCreateInfo layout_info = {VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1, .pSetLayouts = &set};
  VkPipelineLayout layout;
  check(vkCreatePipelineLayout(device, &layout_info, NULL, &layout), "lay out the pipeline");
  VkComputePipelineCreateInfo info = {
      VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
      .flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR | VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR,
      .stage = {VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = VK_SHADER_STAGE_COMPUTE_BIT, .module = module, .pName = entry},
      .layout = layout};
  VkPipeline pipeline;
  check(vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline), "compile the shader");
  return pipeline;
}

static void print_subgroup(VkDevice device, VkPipeline pipeline) {
  PFN_vkGetPipelineExecutablePropertiesKHR get = (PFN_vkGetPipelineExecutablePropertiesKHR)vkGetDeviceProcAddr(device, "vkGetPipelineExecutablePropertiesKHR");
  VkPipelineInfoKHR info = {VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, .pipeline = pipeline};
  VkPipelineExecutablePropertiesKHR executable = {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR};
  uint32_t count = 1;
  VkResult result = get(device, &info, &count, &executable);
  check(result == VK_INCOMPLETE ? VK_SUCCESS : result, "read what was compiled");
  printf("Subgroup size: %u\n", executable.subgroupSize);
}

static void print_statistics(VkDevice device, const VkPipelineExecutableInfoKHR *executable) {
  PFN_vkGetPipelineExecutableStatisticsKHR get = (PFN_vkGetPipelineExecutableStatisticsKHR)vkGetDeviceProcAddr(device, "vkGetPipelineExecutableStatisticsKHR");
  uint32_t count = 0;
  check(get(device, executable, &count, NULL), "count the statistics");
  VkPipelineExecutableStatisticKHR *all = calloc(count, sizeof *all);
  for (uint32_t i = 0; i < count; i++) all[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR;
  check(get(device, executable, &count, all), "read the statistics");
  for (uint32_t i = 0; i < count; i++) {
    if (all[i].format == VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR)
      printf("%s: %g\n", all[i].name, all[i].value.f64);
    else
      printf("%s: %llu\n", all[i].name, (unsigned long long)all[i].value.u64);
  }
}

static void print_listings(VkDevice device, const VkPipelineExecutableInfoKHR *executable, const char *word) {
  PFN_vkGetPipelineExecutableInternalRepresentationsKHR get =
      (PFN_vkGetPipelineExecutableInternalRepresentationsKHR)vkGetDeviceProcAddr(device, "vkGetPipelineExecutableInternalRepresentationsKHR");
  uint32_t count = 0;
  check(get(device, executable, &count, NULL), "count the listings");
  VkPipelineExecutableInternalRepresentationKHR *all = calloc(count, sizeof *all);
  for (uint32_t i = 0; i < count; i++) all[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR;
  check(get(device, executable, &count, all), "measure the listings");
  for (uint32_t i = 0; i < count; i++) all[i].pData = malloc(all[i].dataSize);
  check(get(device, executable, &count, all), "read the listings");
  for (uint32_t i = 0; i < count; i++)
    if (all[i].isText && strstr(all[i].name, word)) printf("== %s\n%s\n", all[i].name, (char *)all[i].pData);
}

int main(int argc, char **argv) {
  int weak = argc == 5 && !strcmp(argv[4], "weak");
  if (argc != 4 && !weak) {
    fprintf(stderr, "usage: compile SHADER.spv ENTRY WORD [weak]\n");
    return 2;
  }
  VkShaderModuleCreateInfo code = read_module(argv[1]);
  VkDevice device = open_device(!weak);
  VkPipelineExecutableInfoKHR executable = {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, .pipeline = compile(device, &code, argv[2])};
  print_subgroup(device, executable.pipeline);
  print_statistics(device, &executable);
  print_listings(device, &executable, argv[3]);
  return 0;
}
