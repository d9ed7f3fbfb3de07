# METADATA
# title: Omit sealed blocks
# description: |
#   Blocks that a provider signed or encrypted (reasoning that is sent back, redacted thinking) can be neither masked nor read. Those
#   of the kinds in `settings.omit.request` are left out of requests, those in `settings.omit.response` out of answers. Without the
#   setting none is.
package countersign.rules.omit_sealed_blocks

# METADATA
# title: Leave out what the settings list
omit contains row if some row in data.settings.omit[input.phase]
