/* SPDX-License-Identifier: Apache-2.0
 *
 * Names that people give layers: a node as ONNX calls it, or the module of the training framework
 * that it was, which a PyTorch export keeps in the names of nodes and weights.
 */
#ifndef MXDI_QUANT_MODULE_NAME_H
#define MXDI_QUANT_MODULE_NAME_H

#include "ir/graph.h"

/* Longest module name that is told from others. */
enum { MXDI_MODULE_NAME = 256 };

/* The scope of a node: "/layer1/layer1.0/conv1/Conv" was module "layer1.0.conv1". False: the name
 * has none. */
bool mxdi_module_of_node(char out[MXDI_MODULE_NAME], const char *node);
/* What owned a parameter: "layer1.0.conv1.weight" (also "layer1.0.conv1.weight_quantized", as
 * quantizing names it) was of "layer1.0.conv1". False: it is no weight of a module. */
bool mxdi_module_of_weight(char out[MXDI_MODULE_NAME], const char *weight);
#endif
