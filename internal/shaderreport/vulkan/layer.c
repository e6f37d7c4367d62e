// A Vulkan layer that writes every compute shader as a driver gets it, SPIR-V and
// its entry point, into the folder $SHADERREPORT_SPIRV as 0.spv, 1.spv and so on,
// and has the driver below compile an empty shader in its place. So what wgpu makes
// of WGSL, its bounds checks included, can be given to another driver's compiler.
//
//   cc -shared -fPIC -O1 -o libshaderreport.so layer.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#define EXPORT __attribute__((visibility("default")))

static PFN_vkGetInstanceProcAddr next_instance;
static PFN_vkGetDeviceProcAddr next_device;

// The modules that were made, to be found by their handle.
struct module {
  VkShaderModule handle;
  uint32_t *code;
  size_t size;
};
static struct module modules[4096];
static int module_count;

// void main() {}
static const uint32_t empty[] = {
    0x07230203, 0x00010000, 0, 5, 0,
    2 << 16 | 17, 1,                          // OpCapability Shader
    3 << 16 | 14, 0, 1,                       // OpMemoryModel Logical GLSL450
    5 << 16 | 15, 5, 3, 0x6e69616d, 0,        // OpEntryPoint GLCompute %3 "main"
    6 << 16 | 16, 3, 17, 1, 1, 1,             // OpExecutionMode %3 LocalSize 1 1 1
    2 << 16 | 19, 1,                          // %1 = OpTypeVoid
    3 << 16 | 33, 2, 1,                       // %2 = OpTypeFunction %1
    5 << 16 | 54, 1, 3, 0, 2,                 // %3 = OpFunction %1 None %2
    2 << 16 | 248, 4, 1 << 16 | 253, 1 << 16 | 56,  // OpLabel, OpReturn, OpFunctionEnd
};

static VKAPI_ATTR VkResult VKAPI_CALL create_module(VkDevice device, const VkShaderModuleCreateInfo *info, const VkAllocationCallbacks *allocator, VkShaderModule *module) {
  PFN_vkCreateShaderModule next = (PFN_vkCreateShaderModule)next_device(device, "vkCreateShaderModule");
  VkResult result = next(device, info, allocator, module);
  if (result == VK_SUCCESS && module_count < 4096) {
    struct module *m = &modules[module_count++];
    m->handle = *module;
    m->size = info->codeSize;
    m->code = malloc(m->size);
    memcpy(m->code, info->pCode, m->size);
  }
  return result;
}

// A driver may give a handle again, so the last module of that handle counts.
static void write_module(const VkPipelineShaderStageCreateInfo *stage) {
  const char *dir = getenv("SHADERREPORT_SPIRV");
  char path[4096];
  for (int i = module_count - 1; dir && i >= 0; i--) {
    if (modules[i].handle != stage->module) continue;
    FILE *f = NULL;
    for (int n = 0; !f && n < 4096; n++) {  // the first number that is free there
      snprintf(path, sizeof path, "%s/%d.spv", dir, n);
      f = fopen(path, "wbx");
    }
    if (!f || fwrite(modules[i].code, 1, modules[i].size, f) != modules[i].size || fclose(f)) {
      perror(path);
      exit(1);
    }
    return;
  }
}

static VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache, uint32_t count, const VkComputePipelineCreateInfo *infos, const VkAllocationCallbacks *allocator, VkPipeline *pipelines) {
  PFN_vkCreateComputePipelines next = (PFN_vkCreateComputePipelines)next_device(device, "vkCreateComputePipelines");
  PFN_vkCreateShaderModule make = (PFN_vkCreateShaderModule)next_device(device, "vkCreateShaderModule");
  VkShaderModuleCreateInfo nothing = {VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = sizeof empty, .pCode = empty};
  VkResult result = VK_SUCCESS;
  for (uint32_t i = 0; i < count && result == VK_SUCCESS; i++) {
    write_module(&infos[i].stage);
    VkComputePipelineCreateInfo info = infos[i];
    info.stage.pName = "main";
    info.stage.pNext = NULL;
    info.stage.pSpecializationInfo = NULL;
    if ((result = make(device, &nothing, allocator, &info.stage.module)) == VK_SUCCESS) result = next(device, cache, 1, &info, allocator, &pipelines[i]);
  }
  return result;
}

// The link to the layer or driver below, which is then moved on for that.
#define LINK(type, structure, info)                                                          \
  type *link = (type *)(info)->pNext;                                                        \
  while (link && !(link->sType == (structure) && link->function == VK_LAYER_LINK_INFO)) link = (type *)link->pNext; \
  if (!link) return VK_ERROR_INITIALIZATION_FAILED

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator, VkInstance *instance) {
  LINK(VkLayerInstanceCreateInfo, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO, info);
  next_instance = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  return ((PFN_vkCreateInstance)next_instance(NULL, "vkCreateInstance"))(info, allocator, instance);
}

static VkInstance any;

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info, const VkAllocationCallbacks *allocator, VkDevice *device) {
  LINK(VkLayerDeviceCreateInfo, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO, info);
  PFN_vkGetInstanceProcAddr get = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  next_device = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  return ((PFN_vkCreateDevice)get(any, "vkCreateDevice"))(physical, info, allocator, device);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_function(VkDevice device, const char *name) {
  if (!strcmp(name, "vkGetDeviceProcAddr")) return (PFN_vkVoidFunction)device_function;
  if (!strcmp(name, "vkCreateShaderModule")) return (PFN_vkVoidFunction)create_module;
  if (!strcmp(name, "vkCreateComputePipelines")) return (PFN_vkVoidFunction)create_pipelines;
  return next_device(device, name);
}

EXPORT VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL vkGetInstanceProcAddr(VkInstance instance, const char *name) {
  if (instance) any = instance;
  if (!strcmp(name, "vkGetInstanceProcAddr")) return (PFN_vkVoidFunction)vkGetInstanceProcAddr;
  if (!strcmp(name, "vkCreateInstance")) return (PFN_vkVoidFunction)create_instance;
  if (!strcmp(name, "vkCreateDevice")) return (PFN_vkVoidFunction)create_device;
  if (!strcmp(name, "vkGetDeviceProcAddr")) return (PFN_vkVoidFunction)device_function;
  if (!strcmp(name, "vkCreateShaderModule")) return (PFN_vkVoidFunction)create_module;
  if (!strcmp(name, "vkCreateComputePipelines")) return (PFN_vkVoidFunction)create_pipelines;
  return next_instance ? next_instance(instance, name) : NULL;
}

EXPORT VKAPI_ATTR VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *v) {
  v->loaderLayerInterfaceVersion = 2;
  v->pfnGetInstanceProcAddr = vkGetInstanceProcAddr;
  v->pfnGetDeviceProcAddr = device_function;
  v->pfnGetPhysicalDeviceProcAddr = NULL;
  return VK_SUCCESS;
}
