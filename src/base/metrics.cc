#include "base/metrics.h"

#include <prometheus/registry.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/text_serializer.h>

#include <mutex>
#include <utility>

namespace stenod {
namespace {

class PrometheusCounter : public MetricRegistry::Counter {
 public:
  explicit PrometheusCounter(prometheus::Counter& metric) : metric_(metric) {}
  void add(double amount) override { metric_.Increment(amount); }

 private:
  prometheus::Counter& metric_;
};

class PrometheusGauge : public MetricRegistry::Gauge {
 public:
  explicit PrometheusGauge(prometheus::Gauge& metric) : metric_(metric) {}
  void set(double value) override { metric_.Set(value); }
  void add(double amount) override { metric_.Increment(amount); }

 private:
  prometheus::Gauge& metric_;
};

class PrometheusHistogram : public MetricRegistry::Histogram {
 public:
  explicit PrometheusHistogram(prometheus::Histogram& metric) : metric_(metric) {}
  void observe(double value) override { metric_.Observe(value); }

 private:
  prometheus::Histogram& metric_;
};

/// The wrapper of a metric, made when it is asked for the first time.
template <typename Wrapper, typename Metric>
Wrapper& wrapper_of(std::map<const void*, std::unique_ptr<Wrapper>>& wrappers, Metric& metric) {
  std::unique_ptr<Wrapper>& wrapper = wrappers[&metric];
  if (!wrapper) wrapper = std::make_unique<Wrapper>(metric);
  return *wrapper;
}

}  // namespace

class MetricRegistry::Impl {
 public:
  template <typename Builder>
  auto& family(Builder builder, const std::string& name, const std::string& help) {
    return builder.Name(name).Help(help).Register(registry);
  }

  mutable std::mutex mutex;
  prometheus::Registry registry;
  std::map<const void*, std::unique_ptr<PrometheusCounter>> counters;
  std::map<const void*, std::unique_ptr<PrometheusGauge>> gauges;
  std::map<const void*, std::unique_ptr<PrometheusHistogram>> histograms;
  std::vector<std::function<void()>> updates;  ///< of what is asked for whenever the metrics are read
};

MetricRegistry::MetricRegistry() : impl_(std::make_unique<Impl>()) {}
MetricRegistry::~MetricRegistry() = default;

MetricRegistry::Counter& MetricRegistry::counter(const std::string& name, const std::string& help,
                                                 const MetricLabels& labels) {
  const std::lock_guard lock(impl_->mutex);
  return wrapper_of(impl_->counters, impl_->family(prometheus::BuildCounter(), name, help).Add(labels));
}

MetricRegistry::Gauge& MetricRegistry::gauge(const std::string& name, const std::string& help,
                                             const MetricLabels& labels) {
  const std::lock_guard lock(impl_->mutex);
  return wrapper_of(impl_->gauges, impl_->family(prometheus::BuildGauge(), name, help).Add(labels));
}

MetricRegistry::Histogram& MetricRegistry::histogram(const std::string& name, const std::string& help,
                                                     const std::vector<double>& bounds, const MetricLabels& labels) {
  const std::lock_guard lock(impl_->mutex);
  return wrapper_of(impl_->histograms, impl_->family(prometheus::BuildHistogram(), name, help).Add(labels, bounds));
}

void MetricRegistry::gauge_function(const std::string& name, const std::string& help, std::function<double()> value,
                                    const MetricLabels& labels) {
  Gauge& target = gauge(name, help, labels);
  const std::lock_guard lock(impl_->mutex);
  impl_->updates.push_back([&target, value = std::move(value)] { target.set(value()); });
}

void MetricRegistry::counter_function(const std::string& name, const std::string& help, std::function<double()> value,
                                      const MetricLabels& labels) {
  Counter& target = counter(name, help, labels);
  const std::lock_guard lock(impl_->mutex);
  impl_->updates.push_back([&target, value = std::move(value), before = 0.0]() mutable {
    const double now = value();
    if (now > before) target.add(now - before);
    before = now;
  });
}

void MetricRegistry::counters_function(const std::string& name, const std::string& help, const std::string& label,
                                       std::function<std::map<std::string, std::uint64_t>()> values) {
  const std::lock_guard lock(impl_->mutex);
  auto& family = impl_->family(prometheus::BuildCounter(), name, help);
  impl_->updates.push_back([&family, label, values = std::move(values)] {
    for (const auto& [value, count] : values()) {
      prometheus::Counter& counter = family.Add({{label, value}});  // the same as before, if there is one
      counter.Increment(static_cast<double>(count) - counter.Value());
    }
  });
}

std::string MetricRegistry::text() const {
  const std::lock_guard lock(impl_->mutex);
  for (const auto& update : impl_->updates) update();
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace stenod
