-- Every object of one database that a dump must bring back: what it is, its name, whether the dump's table of contents must have an
-- entry of its own for it (found there by class and object id), and a digest of its definition; of what has expressions in it also a
-- digest without their casts and brackets, which move when the server reads what it has written. One JSON document a row.
WITH ext AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
inner_parts AS (SELECT classid, objid FROM pg_depend
  WHERE deptype = 'i' AND classid IN ('pg_proc'::regclass, 'pg_type'::regclass, 'pg_cast'::regclass)),
ns AS (SELECT oid FROM pg_namespace n WHERE nspname !~ '^pg_(toast|temp)' AND nspname NOT IN ('pg_catalog', 'information_schema')),
found(classid, objid, toc, def) AS (
  SELECT 'pg_namespace'::regclass::oid, n.oid, nspname <> 'public',
    concat_ws('|', pg_get_userbyid(nspowner)) FROM pg_namespace n WHERE oid IN (SELECT oid FROM ns) AND nspname <> 'public'
  UNION ALL
  SELECT 'pg_class'::regclass, c.oid,
    relkind NOT IN ('i', 'I') OR NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND contype IN ('p', 'u', 'x')),
    CASE WHEN relkind IN ('i', 'I') THEN pg_get_indexdef(c.oid)
    ELSE concat_ws('|', relpersistence, relrowsecurity, relforcerowsecurity, pg_get_userbyid(relowner), reloptions::text,
      pg_get_expr(relpartbound, c.oid), CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
      CASE WHEN relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
      (SELECT string_agg(a::text, ',' ORDER BY a::text)
        FROM unnest(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, relowner))) a),
      (SELECT string_agg(concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod), attnotnull, attidentity,
          attgenerated, pg_get_expr(adbin, adrelid), attacl::text, col_description(c.oid, attnum)), ',' ORDER BY attnum)
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)) END
    FROM pg_class c WHERE relnamespace IN (SELECT oid FROM ns) AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I')
      AND NOT EXISTS (SELECT FROM pg_index x JOIN ext ON ext.classid = 'pg_class'::regclass AND ext.objid = x.indrelid
        WHERE x.indexrelid = c.oid)
  UNION ALL
  SELECT 'pg_constraint'::regclass, k.oid, contype IN ('p', 'u', 'x') OR (contype = 'f' AND conparentid = 0),
    concat_ws('|', pg_get_constraintdef(k.oid), convalidated)
    FROM pg_constraint k WHERE connamespace IN (SELECT oid FROM ns) AND contype NOT IN ('t', 'n')
      AND NOT EXISTS (SELECT FROM ext WHERE ext.classid = 'pg_class'::regclass AND ext.objid = conrelid)
  UNION ALL
  SELECT 'pg_proc'::regclass, p.oid, true, concat_ws('|', pg_get_userbyid(proowner),
    CASE WHEN prokind <> 'a' THEN pg_get_functiondef(p.oid) END,
    (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(coalesce(proacl, acldefault('f', proowner))) a))
    FROM pg_proc p WHERE pronamespace IN (SELECT oid FROM ns)
  UNION ALL
  SELECT 'pg_type'::regclass, t.oid, typtype <> 'p', concat_ws('|', typtype, pg_get_userbyid(typowner), typdefault, typnotnull,
    CASE WHEN typbasetype <> 0 THEN format_type(typbasetype, typtypmod) END,
    (SELECT string_agg(quote_literal(enumlabel), ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
    (SELECT string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod), ',' ORDER BY attnum)
      FROM pg_attribute WHERE attrelid = typrelid AND attnum > 0 AND NOT attisdropped))
    FROM pg_type t WHERE typnamespace IN (SELECT oid FROM ns)
  UNION ALL
  SELECT 'pg_trigger'::regclass, t.oid, coalesce((to_jsonb(t) ->> 'tgparentid')::oid, 0) = 0,
    concat_ws('|', pg_get_triggerdef(t.oid), tgenabled)
    FROM pg_trigger t WHERE NOT tgisinternal
  UNION ALL
  SELECT 'pg_policy'::regclass, oid, true, concat_ws('|', polcmd, polpermissive, pg_get_expr(polqual, polrelid),
    pg_get_expr(polwithcheck, polrelid),
    (SELECT string_agg(CASE r WHEN 0 THEN 'public' ELSE pg_get_userbyid(r) END, ',' ORDER BY 1) FROM unnest(polroles) r))
    FROM pg_policy
  UNION ALL
  SELECT 'pg_rewrite'::regclass, r.oid, true, concat_ws('|', pg_get_ruledef(r.oid), ev_enabled) FROM pg_rewrite r
    JOIN pg_class c ON c.oid = ev_class WHERE relnamespace IN (SELECT oid FROM ns) AND rulename <> '_RETURN'
  UNION ALL
  SELECT 'pg_event_trigger'::regclass, oid, true,
    concat_ws('|', evtevent, evtfoid::regprocedure, evtenabled, evttags::text) FROM pg_event_trigger
  UNION ALL
  SELECT 'pg_extension'::regclass, e.oid, extname <> 'plpgsql', concat_ws('|', extversion, extnamespace::regnamespace) FROM pg_extension e
  UNION ALL
  SELECT 'pg_publication'::regclass, p.oid, true, (to_jsonb(p) - 'oid' - 'pubowner')::text FROM pg_publication p
  UNION ALL
  SELECT 'pg_publication_rel'::regclass, oid, true, NULL FROM pg_publication_rel
  /*15*/ UNION ALL SELECT 'pg_publication_namespace'::regclass, oid, true, NULL FROM pg_publication_namespace /*15*/
  UNION ALL
  SELECT 'pg_subscription'::regclass, oid, true, NULL FROM pg_subscription
    WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  UNION ALL
  SELECT 'pg_foreign_data_wrapper'::regclass, oid, true, fdwoptions::text FROM pg_foreign_data_wrapper
  UNION ALL
  SELECT 'pg_foreign_server'::regclass, oid, true, concat_ws('|', srvtype, srvversion, srvoptions::text) FROM pg_foreign_server
  UNION ALL
  SELECT 'pg_user_mapping'::regclass, umid, false, NULL FROM pg_user_mappings
  UNION ALL
  SELECT 'pg_statistic_ext'::regclass, oid, true, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
    WHERE stxnamespace IN (SELECT oid FROM ns)
  UNION ALL
  SELECT 'pg_default_acl'::regclass, oid, true, (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(defaclacl) a)
    FROM pg_default_acl
  UNION ALL
  SELECT 'pg_cast'::regclass, oid, true, concat_ws('|', castcontext, castmethod, castfunc::regprocedure) FROM pg_cast
    WHERE oid >= 16384
  UNION ALL
  SELECT 'pg_operator'::regclass, oid, true, oprcode::text FROM pg_operator WHERE oprnamespace IN (SELECT oid FROM ns)
  UNION ALL
  SELECT 'pg_opclass'::regclass, oid, true, opcdefault::text FROM pg_opclass WHERE opcnamespace IN (SELECT oid FROM ns)
  UNION ALL
  SELECT 'pg_opfamily'::regclass, oid, false, NULL FROM pg_opfamily WHERE opfnamespace IN (SELECT oid FROM ns)
  UNION ALL
  SELECT 'pg_collation'::regclass, oid, true, (to_jsonb(c) - 'oid' - 'collnamespace' - 'collowner' - 'collversion')::text
    FROM pg_collation c WHERE collnamespace IN (SELECT oid FROM ns)
  UNION ALL
  SELECT 'pg_conversion'::regclass, oid, true, conproc::text FROM pg_conversion WHERE connamespace IN (SELECT oid FROM ns)
  UNION ALL
  SELECT 'pg_ts_config'::regclass, c.oid, true, (SELECT string_agg(concat_ws(' ', maptokentype, mapseqno, mapdict::regdictionary), ','
      ORDER BY maptokentype, mapseqno) FROM pg_ts_config_map WHERE mapcfg = c.oid)
    FROM pg_ts_config c WHERE cfgnamespace IN (SELECT oid FROM ns)
  UNION ALL
  SELECT 'pg_ts_dict'::regclass, oid, true, dictinitoption FROM pg_ts_dict WHERE dictnamespace IN (SELECT oid FROM ns)
  UNION ALL
  SELECT 'pg_ts_parser'::regclass, oid, true, NULL FROM pg_ts_parser WHERE prsnamespace IN (SELECT oid FROM ns)
  UNION ALL
  SELECT 'pg_ts_template'::regclass, oid, true, NULL FROM pg_ts_template WHERE tmplnamespace IN (SELECT oid FROM ns)
  UNION ALL
  SELECT 'pg_language'::regclass, oid, true, NULL FROM pg_language WHERE oid >= 16384
  UNION ALL
  SELECT 'pg_am'::regclass, oid, true, amhandler::text FROM pg_am WHERE oid >= 16384
  UNION ALL
  SELECT 'pg_transform'::regclass, oid, true, NULL FROM pg_transform WHERE oid >= 16384
)
SELECT json_build_object('kind', i.type, 'name', coalesce(i.identity, f.objid::text), 'class', f.classid::int8, 'oid', f.objid::int8,
  'toc', toc, 'digest', md5(w.words), 'plain', CASE WHEN f.classid IN ('pg_class'::regclass, 'pg_constraint'::regclass,
      'pg_type'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass, 'pg_statistic_ext'::regclass)
    OR f.classid = 'pg_proc'::regclass AND (SELECT to_jsonb(p) ->> 'prosqlbody' FROM pg_proc p WHERE p.oid = f.objid) IS NOT NULL
    THEN md5(regexp_replace(w.words, '::("[^"]*"|[a-z_0-9]+)(\.("[^"]*"|[a-z_0-9]+))?( varying| precision)?(\([0-9,]+\))?'
      '( with(out)? time zone)?(\[\])*|[()\s]', '', 'g')) END)
FROM found f CROSS JOIN LATERAL pg_identify_object(f.classid, f.objid, 0) i
CROSS JOIN LATERAL (SELECT concat_ws('|', def, obj_description(objid, (SELECT relname FROM pg_class WHERE oid = f.classid))) AS words) w
WHERE NOT EXISTS (SELECT FROM ext WHERE ext.classid = f.classid AND ext.objid = f.objid)
  AND NOT EXISTS (SELECT FROM inner_parts p WHERE p.classid = f.classid AND p.objid = f.objid)
