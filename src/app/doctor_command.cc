#include "app/commands.h"

namespace stenod::app {

int run(const DoctorCommand&, Interrupt&) { return kFailure; }

}  // namespace stenod::app
