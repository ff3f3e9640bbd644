#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "core/base/input_error.h"
#include "sim/fit.h"

namespace tokenyard {
namespace {

constexpr std::size_t kFewestRows = 8;
constexpr double kBytes = 2;                        // of a bf16 element
constexpr double kMostReduced = 128 * 1024 * 1024;  // bytes: 8,192 tokens of 8,192 numbers; larger messages say nothing here
constexpr FitConstant kTime{5, 0, 1e4};             // us
constexpr FitConstant kSlowness{1.25, 0.25, 1000};  // 1 / efficiency
constexpr FitConstant kPerSequence{0.1, 0, 1e4};    // us

// Which half a measurement belongs to depends on its shape alone.
bool held_out(std::initializer_list<double> shape) {
  std::uint64_t hash = 14695981039346656037U;
  for (const double number : shape) {
    hash ^= static_cast<std::uint64_t>(std::min(number, 1e18));
    hash *= 0x9E3779B97F4A7C15U;
    hash ^= hash >> 29;
  }
  return (hash & 1) != 0;
}

// What is printed is what is used.
double rounded(double x) { return std::stod(fmt::format("{:.4g}", x)); }

// Fits time_of(row, constants) to one half of `rows`.
template <typename Row>
class Class {
 public:
  using TimeOf = std::function<double(const Row&, std::span<const double>)>;

  Class(const std::vector<Row>& rows, const std::function<bool(const Row&)>& is_held_out, TimeOf time_of)
      : time_of_(std::move(time_of)) {
    for (const Row& row : rows) (is_held_out(row) ? held_out_ : fitted_).push_back(row);
  }
  bool enough() const { return fitted_.size() + held_out_.size() >= kFewestRows && !fitted_.empty() && !held_out_.empty(); }
  std::size_t fitted() const { return fitted_.size(); }

  std::vector<double> fit_constants(std::vector<FitConstant> constants) const {
    FitProblem problem;
    problem.constants = std::move(constants);
    for (const Row& row : fitted_) problem.measured.push_back(row.us);
    problem.predict = [this](std::span<const double> x, std::span<double> predicted) {
      for (std::size_t i = 0; i < fitted_.size(); ++i) predicted[i] = time_of_(fitted_[i], x);
    };
    return fit(problem);
  }

  FitError error(std::span<const double> constants) const {
    std::vector<double> predicted, measured;
    for (const Row& row : held_out_) {
      predicted.push_back(time_of_(row, constants));
      measured.push_back(row.us);
    }
    return fit_error(predicted, measured);
  }

 private:
  TimeOf time_of_;
  std::vector<Row> fitted_, held_out_;
};

using Attention = KernelTimes::Attention;

bool attention_held_out(const Attention& r) {
  return held_out({r.heads, r.kv_heads, r.head_dim, r.decodes, r.decode_kv, r.chunks, r.chunk_tokens, r.chunk_kv});
}

double percent(double share) { return 100 * share; }

class KernelFit {
 public:
  KernelFit(const KernelTimes& times, const HardwareSpec& base) : times_(times), base_(base) {
    out_.hardware = base;
    flops_per_us_ = base.bf16_tflops * 1e6;
    bytes_per_us_ = base.memory_gb_per_s * 1e3;
  }

  HardwareFit run(const std::string& measured_by) {
    fit_gemm();
    fit_decode();
    fit_prefill();
    judge_mixed();
    fit_elementwise();
    fit_sampler();
    fit_all_reduce();
    if (out_.lines.empty()) {
      throw InputError("expected at least " + std::to_string(kFewestRows) + " measurements of one kind of kernel, found fewer");
    }
    std::string error = "mean error per kernel on rows the fit never saw: ";
    std::string what;
    for (const FitLine& line : out_.lines) {
      error += fmt::format("{} {:.1f} % (P90 {:.0f} %), ", line.what, percent(line.held_out.mean), percent(line.held_out.p90));
      if (line.fitted > 0) what += (what.empty() ? "" : ", ") + line.what;
    }
    out_.hardware.known_error = error + "no end-to-end check";
    out_.hardware.source =
        fmt::format("{} fitted on {}; the rest as {}: {}", what, measured_by, out_.hardware.name, out_.hardware.source);
    return std::move(out_);
  }

 private:
  void report(const std::string& what, const std::string& constants, std::size_t fitted, const FitError& held,
              const FitError& base) {
    out_.lines.push_back({what, constants, fitted, held, base});
  }

  void fit_gemm() {
    using Row = KernelTimes::Gemm;
    const Class<Row> rows(
        times_.gemm,
        [](const Row& r) {
          return held_out({r.m, r.n, r.k});
        },
        [this](const Row& r, std::span<const double> x) {
          const double flops = 2 * r.m * r.n * r.k;
          const double bytes = kBytes * (r.m * r.k + r.k * r.n + r.m * r.n);
          return x[0] + std::max(x[1] * flops / flops_per_us_, x[2] * bytes / bytes_per_us_);
        });
    if (!rows.enough()) return;
    HardwareSpec::Gemm& g = out_.hardware.gemm;
    const FitError base = rows.error(std::vector{g.t0_us, 1 / g.flops_efficiency, 1 / g.bandwidth_efficiency});
    const auto x = rows.fit_constants({kTime, kSlowness, kSlowness});
    g = {rounded(x[0]), rounded(1 / x[1]), rounded(1 / x[2])};
    report("GEMM", fmt::format("t0 {} us, e_f {}, e_b {}", g.t0_us, g.flops_efficiency, g.bandwidth_efficiency), rows.fitted(),
           rows.error(std::vector{g.t0_us, 1 / g.flops_efficiency, 1 / g.bandwidth_efficiency}), base);
  }

  double decode_time(const Attention& r, double t0, double per_sequence, double slowness) const {
    const double bytes = 2 * r.kv_heads * r.head_dim * kBytes * r.decodes * r.decode_kv;
    return t0 + per_sequence * r.decodes + slowness * bytes / bytes_per_us_;
  }

  void fit_decode() {
    const Class<Attention> rows(times_.decode, attention_held_out, [this](const Attention& r, std::span<const double> x) {
      return decode_time(r, x[0], x[1], x[2]);
    });
    if (!rows.enough()) return;
    HardwareSpec::DecodeAttention& d = out_.hardware.decode_attention;
    const auto constants = [&] { return std::vector{d.t0_us, d.per_sequence_us, 1 / d.bandwidth_efficiency}; };
    const FitError base = rows.error(constants());
    const auto x = rows.fit_constants({kTime, kPerSequence, kSlowness});
    d = {rounded(x[0]), rounded(x[1]), rounded(1 / x[2])};
    report("decode attention", fmt::format("a0 {} us, a1 {} us, e_k {}", d.t0_us, d.per_sequence_us, d.bandwidth_efficiency),
           rows.fitted(), rows.error(constants()), base);
  }

  double prefill_time(const Attention& r, double t0, double io_slowness, double flops_slowness) const {
    const double pairs = r.chunks * r.chunk_tokens * (r.chunk_kv - r.chunk_tokens + (r.chunk_tokens + 1) / 2);
    const double flops = 4 * r.heads * r.head_dim * pairs;
    const double bytes = 2 * r.head_dim * kBytes * r.chunks * (r.kv_heads * r.chunk_kv + r.heads * r.chunk_tokens);
    return t0 + io_slowness * bytes / bytes_per_us_ + flops_slowness * flops / flops_per_us_;
  }

  void fit_prefill() {
    const Class<Attention> rows(times_.prefill, attention_held_out, [this](const Attention& r, std::span<const double> x) {
      return prefill_time(r, x[0], x[1], x[2]);
    });
    if (!rows.enough()) return;
    HardwareSpec::PrefillAttention& p = out_.hardware.prefill_attention;
    const auto constants = [&] { return std::vector{p.t0_us, 1 / p.io_efficiency, 1 / p.flops_efficiency}; };
    const FitError base = rows.error(constants());
    const auto x = rows.fit_constants({kTime, kSlowness, kSlowness});
    p = {rounded(x[0]), rounded(1 / x[1]), rounded(1 / x[2])};
    report("prefill attention", fmt::format("a0 {} us, e_io {}, e_p {}", p.t0_us, p.io_efficiency, p.flops_efficiency),
           rows.fitted(), rows.error(constants()), base);
  }

  // One kernel over both kinds of sequences: the cost model adds the two times up. Fits nothing, shows how far off that is.
  void judge_mixed() {
    const Class<Attention> rows(
        times_.mixed, [](const Attention&) { return true; },
        [this](const Attention& r, std::span<const double> x) {
          return decode_time(r, x[0], x[1], x[2]) + prefill_time(r, x[3], x[4], x[5]);
        });
    if (times_.mixed.empty()) return;
    const auto constants = [](const HardwareSpec& h) {
      const auto& d = h.decode_attention;
      const auto& p = h.prefill_attention;
      return std::vector{d.t0_us, d.per_sequence_us,   1 / d.bandwidth_efficiency,
                         p.t0_us, 1 / p.io_efficiency, 1 / p.flops_efficiency};
    };
    report("mixed attention", "(the two above, added up)", 0, rows.error(constants(out_.hardware)),
           rows.error(constants(base_)));
  }

  void fit_elementwise() {
    using Row = KernelTimes::Elementwise;
    const Class<Row> rows(
        times_.elementwise, [](const Row& r) { return held_out({r.bytes}); },
        [this](const Row& r, std::span<const double> x) { return x[0] + x[1] * r.bytes / bytes_per_us_; });
    if (!rows.enough()) return;
    HardwareSpec::Elementwise& e = out_.hardware.elementwise;
    const FitError base = rows.error(std::vector{e.t0_us, 1 / e.bandwidth_efficiency});
    const auto x = rows.fit_constants({kTime, kSlowness});
    e = {rounded(x[0]), rounded(1 / x[1])};
    report("element-wise", fmt::format("t0 {} us, e {}", e.t0_us, e.bandwidth_efficiency), rows.fitted(),
           rows.error(std::vector{e.t0_us, 1 / e.bandwidth_efficiency}), base);
  }

  void fit_sampler() {
    using Row = KernelTimes::Sampler;
    const Class<Row> rows(
        times_.sampler, [](const Row& r) { return held_out({r.sequences}); },
        [](const Row& r, std::span<const double> x) { return x[0] + x[1] * r.sequences; });
    if (!rows.enough()) return;
    HardwareSpec::Sampler& s = out_.hardware.sampler;
    const FitError base = rows.error(std::vector{s.t0_us, s.per_sequence_us});
    const auto x = rows.fit_constants({kTime, kPerSequence});
    s = {rounded(x[0]), rounded(x[1])};
    report("sampler", fmt::format("t0 {} us, {} us per sequence", s.t0_us, s.per_sequence_us), rows.fitted(),
           rows.error(std::vector{s.t0_us, s.per_sequence_us}), base);
  }

  void fit_all_reduce() {
    using Row = KernelTimes::AllReduce;
    const double link = out_.hardware.link_gb_per_s * 1e3;  // bytes per us
    if (times_.all_reduce.empty()) return;
    if (link <= 0) throw InputError("all-reduce times: expected a link_gb_per_s above 0 in the hardware, found 0");
    std::set<double> sizes;
    for (const Row& row : times_.all_reduce) sizes.insert(row.tensor_parallel);
    for (const double size : sizes) {
      std::vector<Row> of_size;
      for (const Row& row : times_.all_reduce) {
        if (row.tensor_parallel == size && row.bytes <= kMostReduced) of_size.push_back(row);
      }
      const Class<Row> rows(
          of_size,
          [](const Row& r) {
            return held_out({r.tensor_parallel, r.bytes});
          },
          [&](const Row& r, std::span<const double> x) { return x[0] + x[1] * 2 * (size - 1) / size * r.bytes / link; });
      if (!rows.enough()) continue;
      auto& known = out_.hardware.all_reduce;
      const auto tp = static_cast<std::int32_t>(size);
      auto entry = std::find_if(known.begin(), known.end(), [&](const auto& a) { return a.tensor_parallel >= tp; });
      const auto x = rows.fit_constants({kTime, kSlowness});
      const HardwareSpec::AllReduce fitted{tp, rounded(x[0]), rounded(1 / x[1])};
      const FitError error = rows.error(std::vector{fitted.latency_us, 1 / fitted.link_efficiency});
      FitError base = error;
      if (entry != known.end() && entry->tensor_parallel == tp) {
        base = rows.error(std::vector{entry->latency_us, 1 / entry->link_efficiency});
        *entry = fitted;
      } else {
        known.insert(entry, fitted);
      }
      report(fmt::format("all-reduce of {}", tp),
             fmt::format("latency {} us, link efficiency {}", fitted.latency_us, fitted.link_efficiency), rows.fitted(), error,
             base);
    }
  }

  const KernelTimes& times_;
  const HardwareSpec& base_;
  HardwareFit out_;
  double flops_per_us_, bytes_per_us_;
};

}  // namespace

HardwareFit fit_kernels(const KernelTimes& times, const HardwareSpec& base, const std::string& measured_by) {
  return KernelFit(times, base).run(measured_by);
}

}  // namespace tokenyard
