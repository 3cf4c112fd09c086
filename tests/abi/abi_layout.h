/* SPDX-License-Identifier: Apache-2.0
 *
 * Where each field of each public struct lies, and the sizes of those that do not say their own,
 * for pointers of 8 bytes. (mxd_value and mxd_node may grow: a graph view says their sizes.)
 */
#ifndef TESTS_ABI_ABI_LAYOUT_H
#define TESTS_ABI_ABI_LAYOUT_H

#include "mixdown/backend.h"
#include "mixdown/mixdown.h"

#if UINTPTR_MAX == UINT64_MAX
#define AT(type, field, offset) \
    _Static_assert(offsetof(type, field) == (offset), #type "." #field " moved")
#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " has another size")

AT(mxd_error, status, 0);
AT(mxd_error, msg, 4);
SIZE(mxd_error, 1024);

AT(mxd_allocator, alloc, 0);
AT(mxd_allocator, free, 8);
AT(mxd_allocator, user, 16);
SIZE(mxd_allocator, 24);

AT(mxd_tensor, data, 0);
AT(mxd_tensor, dtype, 8);
AT(mxd_tensor, rank, 12);
AT(mxd_tensor, dim, 16);
SIZE(mxd_tensor, 80);

AT(mxd_qparams, scale, 0);
AT(mxd_qparams, zero_point, 8);
AT(mxd_qparams, n, 16);
AT(mxd_qparams, axis, 20);
AT(mxd_qparams, block, 24);
AT(mxd_qparams, q_min, 28);
AT(mxd_qparams, q_max, 32);
SIZE(mxd_qparams, 40);

AT(mxd_value, name, 0);
AT(mxd_value, dtype, 8);
AT(mxd_value, rank, 12);
AT(mxd_value, dim, 16);
AT(mxd_value, batch_axis, 80);
AT(mxd_value, data, 88);
AT(mxd_value, bytes, 96);
AT(mxd_value, q, 104);

AT(mxd_attr, name, 0);
AT(mxd_attr, kind, 8);
AT(mxd_attr, i, 16);
AT(mxd_attr, f, 24);
AT(mxd_attr, n, 28);
AT(mxd_attr, s, 32);
AT(mxd_attr, ints, 40);
AT(mxd_attr, floats, 48);
AT(mxd_attr, tensor, 56);
SIZE(mxd_attr, 64);

AT(mxd_node, name, 0);
AT(mxd_node, op, 8);
AT(mxd_node, domain, 16);
AT(mxd_node, version, 24);
AT(mxd_node, n_in, 28);
AT(mxd_node, n_out, 32);
AT(mxd_node, n_attr, 36);
AT(mxd_node, n_origin, 40);
AT(mxd_node, in, 48);
AT(mxd_node, out, 56);
AT(mxd_node, attr, 64);
AT(mxd_node, origin, 72);

AT(mxd_graph_view, struct_size, 0);
AT(mxd_graph_view, value_size, 4);
AT(mxd_graph_view, node_size, 8);
AT(mxd_graph_view, n_values, 12);
AT(mxd_graph_view, n_nodes, 16);
AT(mxd_graph_view, n_inputs, 20);
AT(mxd_graph_view, n_outputs, 24);
AT(mxd_graph_view, value, 32);
AT(mxd_graph_view, node, 40);
AT(mxd_graph_view, input, 48);
AT(mxd_graph_view, output, 56);
AT(mxd_graph_view, max_batch, 64);

AT(mxd_host_api, struct_size, 0);
AT(mxd_host_api, allocator, 8);
AT(mxd_host_api, log, 16);
AT(mxd_host_api, user, 24);

AT(mxd_option, key, 0);
AT(mxd_option, value, 8);
SIZE(mxd_option, 16);

AT(mxd_options, option, 0);
AT(mxd_options, n, 8);
SIZE(mxd_options, 16);

AT(mxd_constraints, struct_size, 0);
AT(mxd_constraints, compute_dtypes, 4);
AT(mxd_constraints, symmetric_only, 8);
AT(mxd_constraints, signed_activations, 12);
AT(mxd_constraints, quantize_every_output, 16);
AT(mxd_constraints, quantize_residual, 20);

AT(mxd_claim, struct_size, 0);
AT(mxd_claim, taken, 8);
AT(mxd_claim, reason, 16);

AT(mxd_compile_options, struct_size, 0);
AT(mxd_compile_options, workspace_cap, 8);
AT(mxd_compile_options, exact, 16);
AT(mxd_compile_options, timed, 20);
AT(mxd_compile_options, threads, 24);
AT(mxd_compile_options, progress, 32);
AT(mxd_compile_options, user, 40);
AT(mxd_compile_options, choices, 48);

AT(mxd_choices, struct_size, 0);
AT(mxd_choices, user, 8);
AT(mxd_choices, find, 16);
AT(mxd_choices, record, 24);

AT(mxd_step, kernel, 0);
AT(mxd_step, origin, 8);
AT(mxd_step, n_origin, 16);
AT(mxd_step, computed, 24);
AT(mxd_step, macs, 32);
AT(mxd_step, bytes, 40);
AT(mxd_step, reason, 48);
SIZE(mxd_step, 56);

AT(mxd_steps, step, 0);
AT(mxd_steps, n, 8);
AT(mxd_steps, peak_bytes, 16);
AT(mxd_steps, more, 24);
SIZE(mxd_steps, 32);

AT(mxd_step_more, algorithm, 0);
AT(mxd_step_more, constant_bytes, 8);
AT(mxd_step_more, depth, 16);
SIZE(mxd_step_more, 24);

AT(mxd_run_options, struct_size, 0);
AT(mxd_run_options, threads, 4);
AT(mxd_run_options, trace, 8);

AT(mxd_backend_api, abi, 0);
AT(mxd_backend_api, struct_size, 4);
AT(mxd_backend_api, name, 8);
AT(mxd_backend_api, probe, 16);
AT(mxd_backend_api, open, 24);
AT(mxd_backend_api, close, 32);
AT(mxd_backend_api, describe, 40);
AT(mxd_backend_api, constraints, 48);
AT(mxd_backend_api, claim, 56);
AT(mxd_backend_api, compile, 64);
AT(mxd_backend_api, program_destroy, 72);
AT(mxd_backend_api, steps, 80);
AT(mxd_backend_api, session_open, 88);
AT(mxd_backend_api, session_close, 96);
AT(mxd_backend_api, session_run, 104);
AT(mxd_backend_api, session_profile, 112);
AT(mxd_backend_api, serialize, 120);
AT(mxd_backend_api, deserialize, 128);
AT(mxd_backend_api, refit, 136);
AT(mxd_backend_api, export_source, 144);

AT(mxd_backend_info, name, 0);
AT(mxd_backend_info, devices, 8);
AT(mxd_backend_info, description, 12);
SIZE(mxd_backend_info, 272);

AT(mxd_value_info, name, 0);
AT(mxd_value_info, dtype, 8);
AT(mxd_value_info, rank, 12);
AT(mxd_value_info, dim, 16);
AT(mxd_value_info, symbol, 80);
SIZE(mxd_value_info, 144);

AT(mxd_shape, name, 0);
AT(mxd_shape, rank, 8);
AT(mxd_shape, dim, 16);
SIZE(mxd_shape, 80);

AT(mxd_layer_info, node, 0);
AT(mxd_layer_info, op, 8);
AT(mxd_layer_info, macs, 16);
AT(mxd_layer_info, parameters, 24);
AT(mxd_layer_info, precision, 32);
AT(mxd_layer_info, unsupported, 40);
AT(mxd_layer_info, hint, 48);
SIZE(mxd_layer_info, 56);

AT(mxd_inspection, layer, 0);
AT(mxd_inspection, n_layers, 8);
AT(mxd_inspection, n_unsupported, 12);
AT(mxd_inspection, macs, 16);
AT(mxd_inspection, parameters, 24);
AT(mxd_inspection, weight_bytes, 32);
AT(mxd_inspection, input, 40);
AT(mxd_inspection, output, 48);
AT(mxd_inspection, n_inputs, 56);
AT(mxd_inspection, n_outputs, 60);
SIZE(mxd_inspection, 64);

AT(mxd_input_value, name, 0);
AT(mxd_input_value, tensor, 8);
SIZE(mxd_input_value, 16);

AT(mxd_build_options, struct_size, 0);
AT(mxd_build_options, backend, 8);
AT(mxd_build_options, isa, 16);
AT(mxd_build_options, threads, 24);
AT(mxd_build_options, batch, 32);
AT(mxd_build_options, shape, 96);
AT(mxd_build_options, n_shapes, 104);
AT(mxd_build_options, workspace, 112);
AT(mxd_build_options, exact, 120);
AT(mxd_build_options, timed, 124);
AT(mxd_build_options, value, 128);
AT(mxd_build_options, n_values, 136);
AT(mxd_build_options, timing_cache, 144);
AT(mxd_build_options, input_formats, 152);
AT(mxd_build_options, preprocess, 160);

AT(mxd_audit_row, node, 0);
AT(mxd_audit_row, op, 8);
AT(mxd_audit_row, asked, 16);
AT(mxd_audit_row, stored, 24);
AT(mxd_audit_row, computed, 32);
AT(mxd_audit_row, verdict, 40);
AT(mxd_audit_row, kernel, 48);
AT(mxd_audit_row, reason, 56);
SIZE(mxd_audit_row, 64);

AT(mxd_session_options, struct_size, 0);
AT(mxd_session_options, threads, 4);
AT(mxd_session_options, trace, 8);

AT(mxd_profile_row, node, 0);
AT(mxd_profile_row, kernel, 8);
AT(mxd_profile_row, computed, 16);
AT(mxd_profile_row, reason, 24);
AT(mxd_profile_row, ms, 32);
AT(mxd_profile_row, macs, 40);
AT(mxd_profile_row, bytes, 48);
AT(mxd_profile_row, algorithm, 56);
AT(mxd_profile_row, constant_bytes, 64);
AT(mxd_profile_row, depth, 72);
SIZE(mxd_profile_row, 80);

AT(mxd_profile, row, 0);
AT(mxd_profile, n, 8);
AT(mxd_profile, whole_ms, 16);
SIZE(mxd_profile, 24);

AT(mxd_rate, name, 0);
AT(mxd_rate, by, 8);
AT(mxd_rate, per_second, 16);
AT(mxd_rate, bytes, 24);
SIZE(mxd_rate, 32);

AT(mxd_peak, threads, 0);
AT(mxd_peak, n_compute, 4);
AT(mxd_peak, n_memory, 8);
AT(mxd_peak, compute, 16);
AT(mxd_peak, memory, 144);
SIZE(mxd_peak, 240);

AT(mxd_roof, ms, 0);
AT(mxd_roof, gops, 8);
AT(mxd_roof, percent_of_peak, 16);
AT(mxd_roof, bound, 24);
AT(mxd_roof, why, 32);
SIZE(mxd_roof, 192);

AT(mxd_latency, runs, 0);
AT(mxd_latency, median, 8);
AT(mxd_latency, min, 16);
AT(mxd_latency, p90, 24);
AT(mxd_latency, p99, 32);
AT(mxd_latency, ci_low, 40);
AT(mxd_latency, ci_high, 48);
SIZE(mxd_latency, 56);

AT(mxd_bench_options, struct_size, 0);
AT(mxd_bench_options, batch, 8);
AT(mxd_bench_options, threads, 16);
AT(mxd_bench_options, warm_up_ms, 24);
AT(mxd_bench_options, duration_s, 32);
AT(mxd_bench_options, iterations, 40);
AT(mxd_bench_options, stop, 48);
AT(mxd_bench_options, user, 56);

AT(mxd_bench_result, latency, 0);
AT(mxd_bench_result, batch, 56);
AT(mxd_bench_result, threads, 64);
AT(mxd_bench_result, first_ms, 72);
SIZE(mxd_bench_result, 80);

AT(mxd_accuracy, samples, 0);
AT(mxd_accuracy, top1, 8);
AT(mxd_accuracy, top1_stderr, 16);
AT(mxd_accuracy, top5, 24);
SIZE(mxd_accuracy, 32);

AT(mxd_pair_result, a, 0);
AT(mxd_pair_result, b, 56);
AT(mxd_pair_result, speedup, 112);
AT(mxd_pair_result, speedup_low, 120);
AT(mxd_pair_result, speedup_high, 128);
SIZE(mxd_pair_result, 136);

AT(mxd_layer_difference, node, 0);
AT(mxd_layer_difference, sqnr_db, 128);
AT(mxd_layer_difference, integers_differing, 136);
SIZE(mxd_layer_difference, 144);

AT(mxd_calibrate_options, struct_size, 0);
AT(mxd_calibrate_options, method, 8);
AT(mxd_calibrate_options, batches, 16);
AT(mxd_calibrate_options, threads, 24);
AT(mxd_calibrate_options, progress, 32);
AT(mxd_calibrate_options, user, 40);

AT(mxd_tensor_range, tensor, 0);
AT(mxd_tensor_range, min, 8);
AT(mxd_tensor_range, max, 12);
AT(mxd_tensor_range, low, 16);
AT(mxd_tensor_range, high, 20);
AT(mxd_tensor_range, outliers, 24);
AT(mxd_tensor_range, channels, 32);
AT(mxd_tensor_range, dead_channels, 36);
SIZE(mxd_tensor_range, 40);

AT(mxd_quantize_options, struct_size, 0);
AT(mxd_quantize_options, for_backends, 8);
AT(mxd_quantize_options, repair, 16);
AT(mxd_quantize_options, threads, 24);
AT(mxd_quantize_options, progress, 32);
AT(mxd_quantize_options, user, 40);
AT(mxd_quantize_options, seed, 48);
AT(mxd_quantize_options, reconstruct, 56);

AT(mxd_quantize_report, n_layers, 0);
AT(mxd_quantize_report, node, 8);
AT(mxd_quantize_report, precision, 16);
AT(mxd_quantize_report, avg_weight_bits, 24);
AT(mxd_quantize_report, avg_weight_bits_stored, 32);
AT(mxd_quantize_report, avg_act_bits, 40);
AT(mxd_quantize_report, avg_op_bits, 48);
AT(mxd_quantize_report, avg_layer_bits, 56);
AT(mxd_quantize_report, avg_layer_bits_all, 64);
AT(mxd_quantize_report, peak_act_bytes, 72);
SIZE(mxd_quantize_report, 80);

AT(mxd_quantized_block, node, 0);
AT(mxd_quantized_block, n_nodes, 8);
AT(mxd_quantized_block, iterations, 12);
AT(mxd_quantized_block, error_layer, 16);
AT(mxd_quantized_block, error_block, 24);
AT(mxd_quantized_block, why, 32);
SIZE(mxd_quantized_block, 40);

AT(mxd_verify_options, struct_size, 0);
AT(mxd_verify_options, rtol, 8);
AT(mxd_verify_options, atol, 16);
AT(mxd_verify_options, backend, 24);
AT(mxd_verify_options, isa, 32);
AT(mxd_verify_options, threads, 40);

AT(mxd_verify_case, verdict, 0);
AT(mxd_verify_case, reason, 4);
AT(mxd_verify_case, max_abs_error, 520);
AT(mxd_verify_case, max_rel_error, 528);
AT(mxd_verify_case, sqnr_db, 536);
SIZE(mxd_verify_case, 544);

#undef AT
#undef SIZE
#endif
#endif
