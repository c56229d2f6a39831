#include "app/commands.h"
#include "app/console.h"
#include "app/settings/load_settings.h"

namespace stenod::app {

int run(const ServeCommand& command, Interrupt&) {
  Console console(true);
  const Status done = command.print_config ? console.write_result(print_settings(command.settings))
                                           : Status(Error{ErrorCode::kNotSupported, "'stenod serve' is not built yet"});
  if (done) return kSuccess;
  console.error(done.error());
  return command.print_config ? kFailure : kWrongUsage;
}

}  // namespace stenod::app
