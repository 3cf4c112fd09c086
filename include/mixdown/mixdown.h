/* SPDX-License-Identifier: Apache-2.0
 * Everything public in one include. */
#ifndef MIXDOWN_MIXDOWN_H
#define MIXDOWN_MIXDOWN_H

#include "mixdown/base.h"
#include "mixdown/context.h"
#include "mixdown/dataset.h"
#include "mixdown/engine.h"
#include "mixdown/measure.h"
#include "mixdown/model.h"
#include "mixdown/quantize.h"
#include "mixdown/train.h"
#include "mixdown/verify.h"

#endif
