// The page of `-o html`: the findings are data within it.
{
  const { report, findings } = JSON.parse(document.getElementById("report").textContent);
  document.querySelector("header").append(themeButton());
  showFindings(report, findings, document.getElementById("main"));
}
