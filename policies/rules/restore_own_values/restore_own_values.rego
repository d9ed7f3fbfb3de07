# METADATA
# title: Restore own values
# description: |
#   In the answer to a request, the placeholders that were written for values of that very request are put back for the caller who
#   sent them: those of the entities in `settings.restore`. Without the setting nothing is put back.
package countersign.rules.restore_own_values

# METADATA
# title: Put back what the settings list
restore contains row if {
	input.phase == "request"
	some row in data.settings.restore
}
