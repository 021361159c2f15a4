/**
 * Runs before the first paint, as a classic script of its own (the content security policy allows no inline one), so that
 * a chosen theme never flashes. Without a choice the stylesheet follows the system.
 */
{
  const chosen = localStorage.getItem("auterity.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset["theme"] = chosen;
}
