// SPDX-License-Identifier: Apache-2.0
//
// The contract of thriftscore: the only file that servers and clients share.
// How it may change: README.md beside this file.
//
// Conventions that hold for every field below
//   * No field is `required`. A field that is absent has the default written here; a field
//     without a default that a method needs is answered with INVALID_ARGUMENT.
//   * `binary` tensors are little-endian and row-major (C order), without padding.
//   * `rows` x `columns` is the shape of a matrix; row r starts at byte r * columns * itemsize.
//   * Times end in their unit (_ms, _ns). Sizes are in bytes where the name ends in _bytes.
//   * Server limits (all configurable): frame 16,384,000 bytes; message 100 MiB; nesting 64;
//     method name 128 bytes; 256 tensors a request; tensor rank 16.

namespace py thriftscore_idl
namespace java io.thriftscore.idl
namespace go thriftscoreidl

// ---------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------

/** What went wrong, in the terms a caller can act on. */
enum ErrorCode {
  /** The request itself is wrong: shape, datatype, name or value. Sending it again cannot help. */
  INVALID_ARGUMENT = 1,
  /** No such model, version or label. */
  MODEL_NOT_FOUND = 2,
  /** The model exists but is not loaded: still loading, failed to load, or unloaded. */
  MODEL_NOT_READY = 3,
  /** `deadline_ms` passed before the answer was ready. */
  DEADLINE_EXCEEDED = 4,
  /** A queue or limit of the server is full; try again after `retry_after_ms`. */
  OVERLOADED = 5,
  /** No valid credentials came with the request. */
  UNAUTHENTICATED = 6,
  /** The caller is known and may not do this. */
  PERMISSION_DENIED = 7,
  /** The server is starting or draining; another server may answer. */
  UNAVAILABLE = 8,
  /** The method, or this use of it, is not implemented by this server. */
  UNIMPLEMENTED = 9,
  /** A defect of the server. Its log has the details under the request id. */
  INTERNAL = 10
}

/** The one exception that every method of both services declares. */
exception ScoringError {
  /** What kind of error this is. */
  1: ErrorCode code = ErrorCode.INTERNAL,
  /** One sentence: the thing, what was expected, what was received. */
  2: string message = "",
  /** True where the same request may succeed later or at another server. */
  3: bool retryable = false,
  /** How long to wait before a retry, in milliseconds; 0 = no advice. */
  4: i32 retry_after_ms = 0
}

// ---------------------------------------------------------------------------------------------
// Shared by all requests
// ---------------------------------------------------------------------------------------------

/** Who asks, and how long they will wait. Optional in every request struct. */
struct RequestContext {
  /** Chosen by the caller, at most 128 bytes of UTF-8; echoed in the reply and named in logs. */
  1: optional string request_id,
  /** Time left for the whole call when it was sent, in milliseconds; absent or 0 = no deadline. */
  2: optional i32 deadline_ms,
  /** W3C Trace Context `traceparent` of the caller's span. */
  3: optional string traceparent,
  /** Bearer token. Never logged. */
  4: optional string auth_token
}

/** Element types, with the names of the Open Inference Protocol. */
enum DataType {
  /** One byte, 0 or 1. */
  BOOL = 1,
  /** One byte, unsigned. */
  UINT8 = 2,
  /** Two bytes, unsigned. */
  UINT16 = 3,
  /** Four bytes, unsigned. */
  UINT32 = 4,
  /** Eight bytes, unsigned. */
  UINT64 = 5,
  /** One byte, two's complement. */
  INT8 = 6,
  /** Two bytes, two's complement. */
  INT16 = 7,
  /** Four bytes, two's complement. */
  INT32 = 8,
  /** Eight bytes, two's complement. */
  INT64 = 9,
  /** IEEE 754 binary16. */
  FP16 = 10,
  /** IEEE 754 binary32. */
  FP32 = 11,
  /** IEEE 754 binary64. */
  FP64 = 12,
  /** Byte strings of any length; in `data`, each is preceded by its length as 4 bytes. */
  BYTES = 13
}

// ---------------------------------------------------------------------------------------------
// Scoring dense and sparse rows
// ---------------------------------------------------------------------------------------------

/** Rows to score with one model. */
struct ScoreRequest {
  /** `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`. */
  1: string model_name = "",
  /** A version number ("3") or a label ("stable"); empty = the model's default version. */
  2: string model_version = "",
  /** rows x columns values of `datatype`; may be empty (0 rows). */
  3: binary features = "",
  /** FP32 or FP64. The model computes in its own precision, whichever is sent. */
  4: DataType datatype = DataType.FP32,
  /** Who asks, and how long they will wait. */
  5: optional RequestContext context,
  /** Values in a row as the caller understands it; where set, it must be the model's. */
  6: optional i32 columns
}

/** Rows to score, in compressed sparse row form; absent entries are 0. */
struct SparseScoreRequest {
  /** As in ScoreRequest. */
  1: string model_name = "",
  /** As in ScoreRequest. */
  2: string model_version = "",
  /** rows + 1 INT64 offsets into indices and values: starts at 0, never falls, ends at their length. */
  3: binary indptr = "",
  /** INT32 column of each value: 0 <= index < columns of the model, rising within a row. */
  4: binary indices = "",
  /** The values, of `datatype`, as many as indices. */
  5: binary values = "",
  /** FP32 or FP64. */
  6: DataType datatype = DataType.FP32,
  /** Who asks, and how long they will wait. */
  7: optional RequestContext context
}

/** The scores of the rows of one request, all by the same version of the model. */
struct ScoreResponse {
  /** rows x columns values of `datatype`. */
  1: binary scores = "",
  /** The model's precision: FP32 or FP64. */
  2: DataType datatype = DataType.FP32,
  /** Rows scored: those of the request, in its order. */
  3: i64 rows = 0,
  /** Scores for a row: 1 for regression and binary classification, else one for each class. */
  4: i32 columns = 0,
  /** The version that scored, as a number ("3"), whatever the request called it. */
  5: string model_version = "",
  /** `context.request_id` of the request, where it had one. */
  6: optional string request_id
}

/** Rows to normalise, or to bring back, with a model's normaliser. */
struct NormalizeRequest {
  /** As in ScoreRequest. */
  1: string model_name = "",
  /** As in ScoreRequest. */
  2: string model_version = "",
  /** rows x columns values of `datatype`, columns as the model has features. */
  3: binary values = "",
  /** FP32 or FP64. */
  4: DataType datatype = DataType.FP32,
  /** Who asks, and how long they will wait. */
  5: optional RequestContext context,
  /** Values in a row as the caller understands it; where set, it must be the model's. */
  6: optional i32 columns
}

/** The rows of a NormalizeRequest, transformed. */
struct NormalizeResponse {
  /** rows x columns values of `datatype`. */
  1: binary values = "",
  /** As in the request. */
  2: DataType datatype = DataType.FP32,
  /** Rows transformed. */
  3: i64 rows = 0,
  /** Values in a row: the model's features. */
  4: i32 columns = 0,
  /** The version whose normaliser was used, as a number. */
  5: string model_version = "",
  /** `context.request_id` of the request, where it had one. */
  6: optional string request_id
}

// ---------------------------------------------------------------------------------------------
// Open Inference Protocol, version 2
// ---------------------------------------------------------------------------------------------

/** One value of a parameter map: exactly one field is set. */
struct InferParameter {
  /** A flag. */
  1: optional bool bool_param,
  /** A whole number. */
  2: optional i64 int64_param,
  /** A text, UTF-8. */
  3: optional string string_param,
  /** A real number. */
  4: optional double double_param
}

/** Elements of a tensor as typed lists, for callers that cannot build `data`. One list is set. */
struct TensorContents {
  /** For BOOL. */
  1: optional list<bool> bool_contents,
  /** For INT8, INT16, INT32, UINT8 and UINT16. */
  2: optional list<i32> int_contents,
  /** For INT64, UINT32 and UINT64 (UINT64 as the two's complement of its bits). */
  3: optional list<i64> int64_contents,
  /** For FP16, FP32 and FP64. */
  4: optional list<double> fp_contents,
  /** For BYTES. */
  5: optional list<binary> bytes_contents
}

/** A named tensor, in a request or in a response. */
struct Tensor {
  /** The name of an input or output of the model. */
  1: string name = "",
  /** Type of the elements. */
  2: DataType datatype = DataType.FP32,
  /** Extent of each dimension, outermost first; rank 1 to 16; no negative extents. */
  3: list<i64> shape = [],
  /** The elements in `binary`: the product of `shape` times the element size, in bytes. */
  4: optional binary data,
  /** The elements as typed lists, instead of `data`. */
  5: optional TensorContents contents,
  /** Parameters of this tensor. None is defined yet; an unknown one is refused. */
  6: optional map<string, InferParameter> parameters
}

/** An output that the caller wants. */
struct InferRequestedOutput {
  /** The name of an output of the model. */
  1: string name = "",
  /** Parameters of this output. None is defined yet; an unknown one is refused. */
  2: optional map<string, InferParameter> parameters
}

/** Named tensors for one model. */
struct InferRequest {
  /** As in ScoreRequest. */
  1: string model_name = "",
  /** As in ScoreRequest. */
  2: string model_version = "",
  /** Chosen by the caller; echoed in the response. */
  3: optional string id,
  /** Parameters of the request. None is defined yet; an unknown one is refused. */
  4: optional map<string, InferParameter> parameters,
  /** The inputs of the model, each once, at most 256. */
  5: list<Tensor> inputs = [],
  /** The wanted outputs, of those that model_metadata lists; empty = "scores". */
  6: optional list<InferRequestedOutput> outputs,
  /** Who asks, and how long they will wait. */
  7: optional RequestContext context
}

/** The outputs of one InferRequest. */
struct InferResponse {
  /** The model that answered. */
  1: string model_name = "",
  /** Its version, as a number. */
  2: string model_version = "",
  /** `id` of the request, where it had one. */
  3: optional string id,
  /** Parameters of the response. None is defined yet. */
  4: optional map<string, InferParameter> parameters,
  /** The outputs in the order asked for, always in `data`. */
  5: list<Tensor> outputs = [],
  /** `context.request_id` of the request, where it had one. */
  6: optional string request_id
}

// ---------------------------------------------------------------------------------------------
// Metadata and statistics
// ---------------------------------------------------------------------------------------------

/** What this server is. */
struct ServerMetadata {
  /** Always "thriftscore". */
  1: string name = "",
  /** Semantic version of the server. */
  2: string version = "",
  /** Optional parts of the protocol that this server has, such as "score_sparse". */
  3: list<string> extensions = [],
  /** The instruction set that the kernels use, such as "avx2". */
  4: string simd_target = "",
  /** How the data port is served: "native" or "python". */
  5: string io_mode = ""
}

/** Name, type and shape of an input or an output of a model. */
struct TensorMetadata {
  /** The name that infer uses. */
  1: string name = "",
  /** Type of the elements. */
  2: DataType datatype = DataType.FP32,
  /** Extent of each dimension; -1 = any (the rows). */
  3: list<i64> shape = []
}

/** What a version of a model is. */
struct ModelMetadata {
  /** The name of the model. */
  1: string name = "",
  /** The version described, as a number. */
  2: string model_version = "",
  /** All versions that are ready, rising. */
  3: list<string> versions = [],
  /** What runs the model: "thriftscore_native". */
  4: string platform = "",
  /** The tensors that infer takes. */
  5: list<TensorMetadata> inputs = [],
  /** The tensors that infer answers with: scores, margin (what the link takes) and, of classifiers,
   *  probabilities and label (INT64, an index in `classes`). */
  6: list<TensorMetadata> outputs = [],
  /** Names of the features in the order of a row. */
  7: list<string> feature_names = [],
  /** "regression", "binary_classification" or "multiclass_classification". */
  8: string task = "",
  /** Labels of the classes in the order of the scores; empty for regression. */
  9: list<string> classes = [],
  /** The functions that end the model, such as "sigmoid"; "identity" = none. */
  10: string link = "",
  /** "fp32" or "fp64": the type the model computes and answers in. */
  11: string precision = "",
  /** True where normalize and denormalize work. */
  12: bool has_normalizer = false,
  /** SHA-256 of the model file, in lower-case hexadecimal. */
  13: string digest = "",
  /** The file the model was imported from: "onnx", "sklearn". */
  14: string source_format = "",
  /** Labels of the model and the version each names. */
  15: map<string, i64> labels = {},
  /** What is done with NaN in the features: "refuse" (INVALID_ARGUMENT) or "propagate". */
  16: string missing_values = "",
  /** For each feature whose value is an index of names: the names. */
  17: map<string, list<string>> categories = {},
  /** Weights by which requests without a version are spread over labels or versions; empty = all
   *  of them get the default version. */
  18: map<string, i32> split = {},
  /** The label or version that scores the rows of the default version as well, to be compared;
   *  empty = none. */
  19: string shadow = ""
}

/** How often something happened and how long it took in all. */
struct StatisticDuration {
  /** How often. */
  1: i64 count = 0,
  /** Sum of the durations, in nanoseconds. */
  2: i64 ns = 0
}

/** Where the time of the requests of a model went. Failed requests count in `fail` only. */
struct InferenceStatistics {
  /** Requests answered with scores, from the last byte in to the reply handed over. */
  1: StatisticDuration success = {},
  /** Requests answered with an error. */
  2: StatisticDuration fail = {},
  /** Waiting for a thread. */
  3: StatisticDuration queue = {},
  /** Decoding and checking the request. */
  4: StatisticDuration compute_input = {},
  /** In the kernels. */
  5: StatisticDuration compute_infer = {},
  /** Encoding the response. */
  6: StatisticDuration compute_output = {}
}

/** Latency of one method with one outcome, from the last byte in to the reply handed over. */
struct MethodStatistics {
  /** Name of the method, such as "score". */
  1: string method = "",
  /** Absent = success. */
  2: optional ErrorCode code,
  /** Requests. */
  3: i64 count = 0,
  /** Rows in them. */
  4: i64 rows = 0,
  /** Median, in nanoseconds, within 2 % as are the other quantiles. */
  5: i64 p50_ns = 0,
  /** Quantile 0.9, in nanoseconds. */
  6: i64 p90_ns = 0,
  /** Quantile 0.99, in nanoseconds. */
  7: i64 p99_ns = 0,
  /** Quantile 0.999, in nanoseconds. */
  8: i64 p999_ns = 0,
  /** The slowest, in nanoseconds. */
  9: i64 max_ns = 0
}

/**
 * How the scores of a shadow version differ from those that were answered. A difference is the
 * largest |shadow score - answered score| of a row. Rows whose difference is NaN count in `rows`.
 */
struct ShadowStatistics {
  /** The version that scored the same rows, as a number. */
  1: string shadow_version = "",
  /** Rows compared. */
  2: i64 rows = 0,
  /** Rows left out, because the shadow could not keep up. */
  3: i64 dropped_rows = 0,
  /** Rows that the shadow version refused. */
  4: i64 failed_rows = 0,
  /** The largest difference. */
  5: double max_difference = 0,
  /** The mean difference. */
  6: double mean_difference = 0,
  /** Median difference, within 2 % as are the other quantiles. */
  7: double p50_difference = 0,
  /** Quantile 0.9 of the differences. */
  8: double p90_difference = 0,
  /** Quantile 0.99 of the differences. */
  9: double p99_difference = 0
}

/** Statistics of one version since it was loaded. */
struct ModelStatistics {
  /** The name of the model. */
  1: string name = "",
  /** The version, as a number. */
  2: string model_version = "",
  /** When it last scored, in milliseconds since 1970-01-01 UTC; 0 = never. */
  3: i64 last_inference_ms = 0,
  /** Rows scored. */
  4: i64 inference_count = 0,
  /** Calls of the kernels: fewer than requests where requests were joined. */
  5: i64 execution_count = 0,
  /** Where the time went. */
  6: optional InferenceStatistics inference_stats,
  /** One entry for each method and outcome that occurred. */
  7: list<MethodStatistics> method_stats = [],
  /** One entry for each version that was a shadow of this one. */
  8: list<ShadowStatistics> shadow_stats = []
}

/** Statistics of the versions asked for. */
struct ModelStatisticsResponse {
  /** By model name and then version. */
  1: list<ModelStatistics> model_stats = []
}

// ---------------------------------------------------------------------------------------------
// Scoring: the data port (9090)
// ---------------------------------------------------------------------------------------------

service ScoringService {
  /** True while the server takes requests; UNAVAILABLE before and while draining. */
  bool ping() throws (1: ScoringError error),

  /** Scores rows: f(x) = link(bias + sum of weight * term(x)). */
  ScoreResponse score(1: ScoreRequest request) throws (1: ScoringError error),

  /** Scores rows in compressed sparse row form. */
  ScoreResponse score_sparse(1: SparseScoreRequest request) throws (1: ScoringError error),

  /** Scores one row with the default version; the call that needs no helper in any language. */
  list<double> score_values(1: string model_name, 2: list<double> values)
    throws (1: ScoringError error),

  /**
   * Scores one row given by feature name. A name that is absent is a missing value; a model that
   * hashes names takes any, and what is absent is 0.
   */
  list<double> score_named(1: string model_name, 2: map<string, double> features)
    throws (1: ScoringError error),

  /** (x - mean) / scale, by column, with the model's normaliser. */
  NormalizeResponse normalize(1: NormalizeRequest request) throws (1: ScoringError error),

  /** mean + scale * x: the inverse of normalize. */
  NormalizeResponse denormalize(1: NormalizeRequest request) throws (1: ScoringError error),

  /** Open Inference Protocol V2: named tensors in, named tensors out. */
  InferResponse infer(1: InferRequest request) throws (1: ScoringError error),

  /** True while the process works at all. */
  bool server_live() throws (1: ScoringError error),

  /** True when all configured models are loaded and the server is not draining. */
  bool server_ready() throws (1: ScoringError error),

  /** What this server is. */
  ServerMetadata server_metadata() throws (1: ScoringError error),

  /** True when this version (empty = the default one) is loaded; false where it is not. */
  bool model_ready(1: string model_name, 2: string model_version) throws (1: ScoringError error),

  /** What a version is: its features, classes, outputs. Empty version = the default one. */
  ModelMetadata model_metadata(1: string model_name, 2: string model_version)
    throws (1: ScoringError error),

  /** Empty name = all models; empty version = all versions that are loaded. */
  ModelStatisticsResponse model_statistics(1: string model_name, 2: string model_version)
    throws (1: ScoringError error)
}

// ---------------------------------------------------------------------------------------------
// The model repository: the admin port (9091, loopback by default)
// ---------------------------------------------------------------------------------------------

/** Where a version stands. */
enum VersionState {
  /** In the repository, not loaded. */
  UNLOADED = 1,
  /** Being read and checked. */
  LOADING = 2,
  /** Loaded, checked and serving. */
  AVAILABLE = 3,
  /** Still finishing requests; takes no new ones. */
  UNLOADING = 4,
  /** Not loaded; `reason` says why. */
  FAILED = 5
}

/** One version in the repository. */
struct VersionStatus {
  /** The model. */
  1: string model_name = "",
  /** The version: 1, 2, 3 ... */
  2: i64 version = 0,
  /** Where it stands. */
  3: VersionState state = VersionState.UNLOADED,
  /** Why the state is FAILED or UNLOADED; empty otherwise. */
  4: string reason = "",
  /** SHA-256 of the model file, in lower-case hexadecimal. */
  5: string digest = "",
  /** Labels that name this version. */
  6: list<string> labels = [],
  /** True where a request that names no version gets this one. */
  7: bool is_default = false
}

/** Which versions to list. */
struct RepositoryIndexRequest {
  /** Only this model; empty = all. */
  1: string model_name = "",
  /** Only versions that are AVAILABLE. */
  2: bool ready_only = false,
  /** Who asks, and how long they will wait. */
  3: optional RequestContext context
}

/** Every version, by model name and then number. */
struct RepositoryIndexResponse {
  /** The versions. */
  1: list<VersionStatus> versions = [],
  /** `context.request_id` of the request, where it had one. */
  2: optional string request_id,
  /** Why the repository cannot be read at present; empty = it can. What is served stays served. */
  3: string repository_error = ""
}

/** Names a version of a model. */
struct ModelVersionRequest {
  /** As in ScoreRequest. */
  1: string model_name = "",
  /** A version number or a label. Empty: the newest for load_model, all for unload_model. */
  2: string model_version = "",
  /** Who asks, and how long they will wait. */
  3: optional RequestContext context
}

/** Names a label and the version it is to name. */
struct LabelRequest {
  /** As in ScoreRequest. */
  1: string model_name = "",
  /** Same characters as a model name, and not a number. */
  2: string label = "",
  /** The version to name; only set_label uses it. It must be AVAILABLE. */
  3: i64 version = 0,
  /** Who asks, and how long they will wait. */
  4: optional RequestContext context
}

/** The versions that an administrative call touched, as they are now. */
struct RepositoryChange {
  /** The versions. */
  1: list<VersionStatus> versions = [],
  /** `context.request_id` of the request, where it had one. */
  2: optional string request_id
}

service ModelRepositoryService {
  /** What is in the repository and what of it is served. */
  RepositoryIndexResponse repository_index(1: RepositoryIndexRequest request)
    throws (1: ScoringError error),

  /** Checks and loads a version; returns when it serves. What served before is untouched on error. */
  RepositoryChange load_model(1: ModelVersionRequest request) throws (1: ScoringError error),

  /** Stops serving a version once the requests that it is answering are done. */
  RepositoryChange unload_model(1: ModelVersionRequest request) throws (1: ScoringError error),

  /** Points a label at a version. */
  RepositoryChange set_label(1: LabelRequest request) throws (1: ScoringError error),

  /** Removes a label; its version stays. */
  RepositoryChange remove_label(1: LabelRequest request) throws (1: ScoringError error),

  /** Points a label at the version it named before, which is loaded first where it is not. */
  RepositoryChange rollback_label(1: LabelRequest request) throws (1: ScoringError error)
}
