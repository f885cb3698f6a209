/** `pgcharm show-unit`: one unit in depth, with its databags. */
import { type Command, formatFlag } from '../command.ts';
import { formatted } from '../output.ts';

export const showUnit: Command = {
  name: 'show-unit',
  usage: '<unit> [...]',
  summary: 'Display information about units, with the data of their relations.',
  flags: [
    formatFlag('yaml', 'json'),
    { names: ['app'], kind: 'bool', doc: 'Only the data of applications' },
    { names: ['endpoint'], doc: 'Only the relations of this endpoint' },
    { names: ['related-unit'], doc: 'Only the data of this related unit' },
  ],
  takes: [1, 1000],
  missing: 'a unit name must be supplied',
  async run(call) {
    const units = await call.api.call('show-unit', { units: [...call.args] });
    const endpoint = call.flags.text('endpoint');
    const related = call.flags.text('related-unit');
    for (const unit of Object.values(units)) {
      const relations = unit['relation-info']
        ?.filter((relation) => endpoint === undefined || relation.endpoint === endpoint)
        .map((relation) => {
          if (call.flags.bool('app')) {
            const { 'local-unit': _local, 'related-units': _units, ...rest } = relation;
            return rest;
          }
          if (related === undefined) return relation;
          const chosen = Object.entries(relation['related-units'] ?? {}).filter(
            ([name]) => name === related,
          );
          return { ...relation, 'related-units': Object.fromEntries(chosen) };
        });
      if (relations !== undefined) unit['relation-info'] = relations;
    }
    call.out.data(formatted(units, call.flags.text('format') ?? 'yaml'));
    return 0;
  },
};
