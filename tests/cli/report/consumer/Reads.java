import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.Collectors;
import se.bjurr.violations.lib.ViolationsApi;
import se.bjurr.violations.lib.model.Violation;
import se.bjurr.violations.lib.reports.Parser;

/** Prints what a report says: for each pair of a parser and a file, a line for each violation, with tabs. */
class Reads {
  public static void main(String[] arguments) {
    for (int at = 0; at < arguments.length; at += 2) {
      Path file = Path.of(arguments[at + 1]).toAbsolutePath();
      var found = ViolationsApi.violationsApi()
          .withPattern(".*" + file.getFileName() + "$").inFolder(file.getParent().toString())
          .findAll(Parser.valueOf(arguments[at])).violations();
      for (Violation each : found.stream().sorted(Comparator.comparing(Violation::getStartLine)).collect(Collectors.toList())) {
        System.out.println(String.join("\t", Arrays.asList(arguments[at], each.getFile(), "" + each.getStartLine(),
            "" + each.getSeverity(), each.getRule(), each.getMessage().replaceAll("\\s+", " "))));
      }
    }
  }
}
