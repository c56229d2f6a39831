#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace stenod {

using MetricLabels = std::map<std::string, std::string>;

/// Figures for Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats). Any thread.
///
/// A metric lives as long as its registry; asking for the same name and labels again gives the same metric. Names start
/// with stenod_ and follow Prometheus' conventions (_total, _seconds, _bytes). The values of a label must come from a
/// small fixed set, never from what clients send.
class MetricRegistry {
 public:
  class Counter {
   public:
    virtual ~Counter() = default;
    virtual void add(double amount = 1) = 0;
  };
  class Gauge {
   public:
    virtual ~Gauge() = default;
    virtual void set(double value) = 0;
    virtual void add(double amount) = 0;
  };
  class Histogram {
   public:
    virtual ~Histogram() = default;
    virtual void observe(double value) = 0;
  };

  MetricRegistry();
  ~MetricRegistry();
  MetricRegistry(const MetricRegistry&) = delete;
  MetricRegistry& operator=(const MetricRegistry&) = delete;

  Counter& counter(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  /// `bounds`: upper bounds of the buckets, ascending.
  Histogram& histogram(const std::string& name, const std::string& help, const std::vector<double>& bounds,
                       const MetricLabels& labels = {});
  /// A gauge whose value is asked for whenever the metrics are read; `value` must not call the registry.
  void gauge_function(const std::string& name, const std::string& help, std::function<double()> value,
                      const MetricLabels& labels = {});
  /// The same for a counter: `value` never falls.
  void counter_function(const std::string& name, const std::string& help, std::function<double()> value,
                        const MetricLabels& labels = {});

  /// A counter for each value of one label; those that have counted nothing yet may be missing from `values`.
  void counters_function(const std::string& name, const std::string& help, const std::string& label,
                         std::function<std::map<std::string, std::uint64_t>()> values);

  /// Everything in Prometheus' text format, version 0.0.4.
  std::string text() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stenod
