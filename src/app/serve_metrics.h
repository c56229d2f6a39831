#pragma once

#include "api/file_service.h"
#include "api/live_service.h"
#include "base/metrics.h"
#include "live/pacer.h"
#include "transcribe/recogniser.h"

namespace stenod::app {

/// The figures of engine, live sessions and files, read whenever somebody asks for the metrics. What is given must
/// outlive the registry.
void export_metrics(MetricRegistry& metrics, transcribe::Recogniser& recogniser, api::LiveService& live,
                    api::FileService& files, live::Pacer& pacer);

}  // namespace stenod::app
